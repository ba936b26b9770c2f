import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../src/clock/system-clock.ts';
import type { BalancedServer, BalancedService, Balancer } from '../src/domain/balancer.ts';
import { freePort } from '../test/support/free-port.ts';
import { haproxyHarness } from '../test/support/front-door.ts';
import { until } from '../test/support/poll.ts';
import { temporaryFolder } from '../test/support/server.ts';
import { wrk } from '../test/support/wrk.ts';
import { alternate, type Bench, type BenchContext, type Series } from './harness.ts';

const host = '127.0.0.1';
const connections = 32;
const secondsEach = 2;
/** Tails scatter: many short loads by turns tell more than few long ones. */
const loadsPerRun = 3;
const answerBody = 'hello, world';
const answer = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${answerBody.length}\r\n\r\n${answerBody}`);

/** Ours: the front door as services have it. Baseline: a HAProxy with a few lines by hand. The same servers behind both. */
const frontdoor: Bench = {
  name: 'frontdoor',
  question: 'what does the front door cost over a HAProxy that is configured by hand?',
  atLeast: 0.95,
  run: async (context) => {
    await using resources = new AsyncDisposableStack();
    const servers = await Promise.all(['a', 'b', 'c'].map((name) => startServer(name, resources)));
    const ours = await startOurs(servers, resources);
    const baseline = await startByHand(servers, resources);
    // Both have opened their connections, and all code has run, before the first measurement.
    for (const port of [ours, baseline]) await wrk(urlOf(port), 2, connections);
    return await measure(context, ours, baseline);
  },
};

async function measure(context: BenchContext, ours: number, baseline: number): Promise<Series[]> {
  const p99Ms = { ours: [] as number[], baseline: [] as number[] };
  const load = async (port: number, into: number[]): Promise<number> => {
    const result = await wrk(urlOf(port), secondsEach, connections);
    if (result.failed > 0) throw new Error(`${result.failed} requests failed`);
    into.push(result.p99Ms);
    context.log(`port ${port}: ${Math.round(result.requestsPerSecond)} requests/s, p99 ${result.p99Ms} ms`);
    return result.requestsPerSecond;
  };
  const perSecond = await alternate(
    { ...context, runs: context.runs * loadsPerRun },
    () => load(ours, p99Ms.ours),
    () => load(baseline, p99Ms.baseline),
  );
  return [
    { variant: 'requests', unit: 'requests/s', ...perSecond, limit: { atLeast: 0.95 } },
    { variant: 'p99', ...p99Ms, limit: { atMost: 1.05 } },
  ];
}

function urlOf(port: number): string {
  return `http://${host}:${port}/`;
}

/** Answers each request with the same few bytes at once, so that the balancer is what is measured. */
async function startServer(name: string, resources: AsyncDisposableStack): Promise<BalancedServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    // A request without a body that fits into one segment: as wrk and the checks send them.
    socket.on('data', () => socket.write(answer));
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  resources.defer(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { name, host, port, state: 'serving' };
}

async function startOurs(servers: readonly BalancedServer[], resources: AsyncDisposableStack): Promise<number> {
  const harness = await haproxyHarness();
  resources.defer(harness.dispose);
  const balancer: Balancer = await harness.open();
  resources.defer(() => balancer.stop());
  const service: BalancedService = {
    ...{ name: 'bench', protocol: 'http', host, port: await freePort(), healthPath: '/', maxBodyBytes: 1024 ** 2 },
    ...{ requestTimeoutMs: 30_000, maxPerServer: 256, servers: servers.slice(0, 1) },
  };
  await balancer.apply([service]);
  // Most servers of a service come at runtime, not with the configuration.
  await balancer.apply([{ ...service, servers }]);
  await until(
    () => balancer.stats(),
    ([stats]) => stats?.servers.every(({ isUp }) => isUp) === true,
    10_000,
  );
  return service.port;
}

async function startByHand(servers: readonly BalancedServer[], resources: AsyncDisposableStack): Promise<number> {
  const folder = await temporaryFolder('bench-front-door');
  resources.defer(folder.remove);
  const port = await freePort();
  const file = join(folder.path, 'haproxy.cfg');
  const lines = [
    'defaults',
    '  mode http',
    '  timeout connect 5s',
    '  timeout client 30s',
    '  timeout server 30s',
    'frontend front',
    `  bind ${host}:${port}`,
    '  default_backend back',
    'backend back',
    '  balance leastconn',
    ...servers.map((server) => `  server ${server.name} ${server.host}:${server.port} check`),
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const path = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;
  // In a session of its own, as ours is: Linux shares the CPU out by sessions (sched_autogroup).
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: 'inherit', env: { PATH: path }, detached: true });
  resources.defer(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await until(
    () => fetch(urlOf(port)).catch(() => undefined),
    (response) => response?.ok === true,
    10_000,
  );
  await systemClock.sleep(1_000);
  return port;
}

export default frontdoor;
