import { mkdir } from 'node:fs/promises';
import { uptime } from 'node:os';
import { agentPort, agentProtocol } from '../protocol/agent.ts';
import { Attempts } from './attempts.ts';
import { sleep, systemClock } from './clock.ts';
import { setGuestClock } from './guest-clock.ts';
import { protectFromOom, readBootId, readMachineFacts, readVersion, takeOver } from './machine.ts';
import { guestPaths } from './paths.ts';
import { agentRoutes, answer } from './routes.ts';
import { Runtimes } from './runtimes.ts';
import { readSecrets } from './secrets.ts';
import { createAgentServer } from './server.ts';
import { Services } from './service/services.ts';
import { StoreRelay } from './service/store-relay.ts';
import { Slots } from './slots.ts';
import { WorkLease, watchLease } from './work-lease.ts';

// The agent in the guest: wiring only. init starts it again when it ends, so an error that nobody expected may end it.

/** What jobs run on unless they ask for another. */
const commonRuntime = 'python';
/** A VM is often started for a job that waits. It is given this long to get through, before spares are made for others. */
const firstJobMs = 2_000;

const log = (line: string): void => void process.stdout.write(`agent: ${line}\n`);

const sendTerm = (pid: number): void => {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It ended by itself in the meantime.
  }
};

async function main(): Promise<void> {
  const paths = guestPaths;
  const clock = systemClock;
  protectFromOom();
  const secrets = await readSecrets(paths.secrets);
  await mkdir(paths.state, { recursive: true, mode: 0o711 });
  await mkdir(paths.run, { recursive: true, mode: 0o711 });
  const capacity = await takeOver(paths, clock, process.pid, await readMachineFacts(paths));
  const runtimes = new Runtimes(paths, clock);
  await runtimes.refresh();
  const slots = new Slots(paths, clock, log);
  const lease = new WorkLease(() => uptime() * 1_000);
  const attempts = new Attempts({ slots, runtimes, paths, clock, lease, sendTerm, log });
  await attempts.restore();
  const identity = {
    hostname: secrets.hostname,
    version: await readVersion(import.meta.filename),
    protocol: agentProtocol,
    bootId: readBootId(),
  };
  const relay = new StoreRelay(clock);
  const vm = { capacity, hostname: identity.hostname, paths };
  const services = new Services({ slots, runtimes, relay, vm, clock, sendTerm });
  let isWarmingUp = true;
  const health = () => ({
    ...identity,
    uptimeMs: lease.uptimeMs,
    clockMs: clock.now(),
    runtimes: runtimes.names,
    capacity: { ...capacity, slots: slots.count },
    runningAttempts: attempts.runningCount,
    isWarmingUp,
  });
  const setClock = (nowMs: number): Promise<void> => setGuestClock(clock, nowMs);
  const api = { attempts, services, relay, clock, health, setClock, lease };
  void watchLease(lease, clock, new AbortController().signal, () => attempts.lapse());
  const server = createAgentServer(secrets, (request, response) => void answer(agentRoutes, api, request, response));
  server.on('tlsClientError', (error) => log(`a connection was refused: ${error.message.trim()}`));
  // What the first job needs comes before anybody can ask for it; on one emulated CPU they would only be in each other's way.
  await Promise.all([slots.refill(1), runtimes.warmUp([commonRuntime], log)]);
  server.listen(agentPort, '0.0.0.0', () => log(`listens on ${agentPort} after ${uptime()} s`));
  await sleep(clock, firstJobMs);
  await slots.sweep();
  await slots.refill();
  await runtimes.warmUp(runtimes.names, log);
  isWarmingUp = false;
  log(`warm after ${uptime()} s`);
}

main().catch((error: unknown) => {
  log(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exit(1);
});
