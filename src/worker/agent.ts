import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { Attempts } from '../agent/attempts.ts';
import { Cgroup } from '../agent/cgroup.ts';
import type { AgentClock } from '../agent/clock.ts';
import { readBootId, takeOver } from '../agent/machine.ts';
import type { AgentPaths } from '../agent/paths.ts';
import { answer, jobRoutes } from '../agent/routes.ts';
import { Runtimes } from '../agent/runtimes.ts';
import { Slots } from '../agent/slots.ts';
import { WorkLease, watchLease } from '../agent/work-lease.ts';
import { TidepoolError } from '../domain/errors.ts';
import { type AttemptReport, type AttemptSpec, agentProtocol } from '../protocol/agent.ts';
import { encodeFiles } from '../protocol/file-stream.ts';
import { machineFacts, makeCgroup, quotaMount, type Share } from './machine.ts';
import { Watchdog } from './watchdog.ts';

const headersTimeoutMs = 15_000;
const MiB = 1024 ** 2;

export interface WorkerAgentOptions {
  readonly name: string;
  readonly version: string;
  /** Of ours, absolute. */
  readonly folder: string;
  /** A folder with the runtimes. */
  readonly runtimes: string;
  /** Where cgroups of version 2 are mounted. */
  readonly cgroups: string;
  readonly share: Share;
  readonly pid: number;
  readonly clock: AgentClock;
  sendTerm(pid: number): void;
  log(line: string): void;
}

/** The agent of a VM, for jobs, on a machine that is none. */
export interface WorkerAgent {
  /** Gets connections from elsewhere; it listens nowhere. */
  readonly server: Server;
  /** Runs a script from the beginning to the end, as a job would be. Error: `unavailable` when that fails. */
  test(): Promise<void>;
  /** Looks again for runtimes. */
  refresh(): Promise<void>;
  /** Gives a runtime up, unless an attempt uses it (Runtimes.drop). */
  drop(name: string, remove: () => Promise<void>): Promise<boolean>;
  readonly runningCount: number;
  /** Ends what runs. */
  stop(): Promise<void>;
}

/** Starts it. Errors: `unavailable` (the machine lacks what limits jobs). */
export async function startWorkerAgent(options: WorkerAgentOptions): Promise<WorkerAgent> {
  const { name, folder, clock, log, sendTerm } = options;
  const base = await makeCgroup(options.cgroups, `tidepool-worker-${name}`);
  await mkdir(join(folder, 'run'), { recursive: true, mode: 0o711 });
  const quotas = await quotaMount(folder);
  if (quotas === null) log('there are no project quotas here: what jobs write is kept in memory, and counts as theirs');
  const paths: AgentPaths = {
    ...{
      state: folder,
      records: join(folder, 'attempts'),
      run: join(folder, 'run'),
      crun: join(folder, 'run', 'crun'),
      runtimes: options.runtimes,
    },
    // Of services and of VMs; there are none here.
    ...{ python: '', serviceNetwork: '', rootDiskSize: '', secrets: '' },
    ...{ cgroups: base, quotas },
  };
  const machine = await machineFacts(options.cgroups, folder, quotas !== null, options.share);
  await Watchdog.endEarlier(base, clock);
  const capacity = await takeOver(paths, clock, options.pid, machine);
  const runtimes = new Runtimes(paths, clock);
  await runtimes.refresh();
  const slots = new Slots(paths, clock, log);
  const lease = new WorkLease(() => uptime() * 1_000);
  const attempts = new Attempts({ slots, runtimes, paths, clock, lease, sendTerm, log });
  await attempts.restore();
  await slots.sweep();
  const health = () => ({
    ...{ hostname: name, version: options.version, protocol: agentProtocol, bootId: readBootId() },
    ...{
      uptimeMs: lease.uptimeMs,
      clockMs: clock.now(),
      runtimes: runtimes.names,
      capacity: { ...capacity, slots: slots.count },
    },
    ...{ runningAttempts: attempts.runningCount, isWarmingUp: false },
  });
  // The machine's clock is its owner's.
  const api = { attempts, clock, health, setClock: async () => undefined, lease };
  const watchdog = new Watchdog({ cgroup: base, lease, clock, log });
  await watchdog.start();
  const stopped = new AbortController();
  void watchLease(lease, clock, stopped.signal, () => attempts.lapse());
  const server = createServer((request, response) => void answer(jobRoutes, api, request, response));
  server.headersTimeout = headersTimeoutMs;
  server.requestTimeout = 0;
  return {
    server,
    refresh: () => runtimes.refresh(),
    drop: (name, remove) => runtimes.drop(name, remove),
    test: () => runTrial(attempts),
    get runningCount() {
      return attempts.runningCount;
    },
    async stop() {
      stopped.abort();
      await slots.stop();
      await new Cgroup(join(base, 'jobs')).killAll(clock);
      await watchdog.stop();
    },
  };
}

const trialSource = Buffer.from('print("it works")\n');

async function* trialContent(): AsyncGenerator<Uint8Array> {
  yield trialSource;
}

async function runTrial(attempts: Attempts): Promise<void> {
  const spec: AttemptSpec = {
    ...{ id: `trial-${randomUUID()}`, runtime: 'python', entrypoint: 'trial.py', args: [], environment: {} },
    ...{ network: false, image: null },
    limits: {
      ...{ cpus: 1, memoryBytes: 128 * MiB, processes: 16, diskBytes: 16 * MiB },
      ...{ outputBytes: MiB, timeoutMs: 60_000 },
    },
  };
  await attempts.start(
    spec,
    encodeFiles([{ path: spec.entrypoint, size: trialSource.length, content: trialContent() }]),
  );
  const attempt = attempts.get(spec.id);
  await attempt.untilEnded(new AbortController().signal);
  const { report } = attempt;
  await attempts.remove([spec.id]);
  if (report.outcome !== 'succeeded') throw new TidepoolError('unavailable', `jobs cannot run here: ${why(report)}`);
}

function why({ outcome, message, exitCode }: AttemptReport): string {
  return message === '' ? `a trial ended as ${outcome}, exit code ${exitCode}` : message;
}
