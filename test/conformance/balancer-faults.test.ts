import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/clock/system-clock.ts';
import type { BalancedServer, BalancedService, BalancedStats, Balancer } from '../../src/domain/balancer.ts';
import { type HaproxyHarness, haproxyHarness } from '../support/front-door.ts';
import { until } from '../support/poll.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { wrk } from '../support/wrk.ts';
import { type HarnessServer, httpService, maxBodyBytes, place, waitMs } from './balancer.ts';

/** What only a real HAProxy can show: processes that die or hang, load from outside, bytes that are no requests. */
const limitMs = 20_000;
/** One that is gone is started again at once; one that only is silent is waited for longer than this. */
const restartMs = 6_000;
let harness: HaproxyHarness;
let balancer: Balancer;
let servers: HarnessServer[];
let web: BalancedService;

before(async () => {
  harness = await haproxyHarness({ waitMs });
  balancer = await harness.open();
  servers = await Promise.all(['a', 'b', 'c'].map((name) => harness.startServer(name)));
  web = httpService(
    'web',
    await harness.freePort(),
    servers.map(({ serving }) => serving),
    { maxPerServer: 64 },
  );
  await balancer.apply([web]);
});
afterEach(() => balancer.apply([web]));
after(async () => {
  await balancer.stop();
  assert.deepEqual(await harness.processes(), []);
  await harness.dispose();
});

const url = (): string => `http://127.0.0.1:${web.port}/`;
const server = (index: number): HarnessServer => servers[index] ?? assert.fail('no such server');
const withServers = (list: readonly BalancedServer[]): BalancedService => ({ ...web, servers: list });
const statsOfWeb = async (): Promise<BalancedStats> =>
  (await balancer.stats()).find(({ service }) => service === 'web') ?? assert.fail('no statistics');
/** Its processes are there a moment before they listen. */
const untilServed = (): Promise<unknown> =>
  until(
    () => harness.send(web.port).catch(() => undefined),
    (answer) => answer?.status === 200,
    limitMs,
  );
/** HAProxy's master is the process whose parent is none of its processes. (Ids tell no age: they begin anew now and then.) */
const master = async (): Promise<number> => {
  const pids = await harness.processes();
  for (const pid of pids) {
    const parent = await parentOf(pid);
    if (parent !== undefined && !pids.includes(parent)) return pid;
  }
  return assert.fail(`no master among ${pids.join()}`);
};

for (const victim of ['master', 'worker'] as const) {
  test(`its ${victim} killed alone: all of it is started again within a second or so`, async () => {
    const first = await master();
    const worker = (await harness.processes()).find((pid) => pid !== first) ?? assert.fail('no worker');
    const old = victim === 'master' ? first : worker;
    process.kill(old, 'SIGKILL');
    using gone = new Stopwatch();
    await until(harness.processes, (now) => now.length >= 2 && !now.includes(old), limitMs);
    await untilServed();
    assert.ok(gone.elapsedMs < restartMs, `${gone.elapsedMs} ms`);
    await until(
      async () => harness.log,
      (log) => log.some((line) => line.includes('started again')),
      limitMs,
    );
  });
}

test('services get no session of the control plane, and who answered is told', async () => {
  const port = await harness.freePort();
  const echo = createServer((asked, answer) => answer.end(asked.headers.cookie ?? ''));
  await once(echo.listen(port, '127.0.0.1'), 'listening');
  try {
    await balancer.apply([withServers([{ name: 'web-0007-1', host: '127.0.0.1', port, state: 'serving' }])]);
    const headers = { cookie: 'a=1; tidepool_session=stolen; b=2' };
    const answer = await fetch(url(), { headers, signal: AbortSignal.timeout(limitMs) });
    assert.equal((await answer.text()).replaceAll(/[; ]+/g, ' '), 'a=1 b=2');
    assert.equal(answer.headers.get('x-tidepool-server'), 'web-0007');
  } finally {
    echo.close();
  }
});

test('while the control plane itself stands still, again and again, HAProxy is not taken for dead', async () => {
  const before = await harness.processes();
  const still = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < 3; i += 1) {
    const asked = balancer.stats().catch(() => undefined);
    await new Promise<void>((resolve) => setImmediate(resolve));
    Atomics.wait(still, 0, 0, 6_000);
    await asked;
  }
  assert.deepEqual(await harness.processes(), before);
  await untilServed();
});

test('a long TCP connection of one service outlives 35 reloads for others', async () => {
  const far = createTcpServer((socket) => socket.pipe(socket).on('error', () => undefined));
  const port = await harness.freePort();
  await once(far.listen(port, '127.0.0.1'), 'listening');
  const chat: BalancedService = {
    ...httpService('chat', await harness.freePort(), [{ name: 'chat-0', host: '127.0.0.1', port, state: 'serving' }]),
    ...{ protocol: 'tcp', healthPath: null, maxBodyBytes: null, requestTimeoutMs: 60_000 },
  };
  await balancer.apply([web, chat]);
  const socket = connect(chat.port, '127.0.0.1');
  try {
    for (let reloads = 0; reloads <= 35; reloads += 1) {
      socket.write(String.fromCharCode(64 + reloads));
      const [said] = await once(socket, 'data', { signal: AbortSignal.timeout(limitMs) });
      assert.equal(String(said), String.fromCharCode(64 + reloads), `after ${reloads} reloads`);
      // What only a reload can change.
      await balancer.apply([{ ...web, maxBodyBytes: maxBodyBytes + reloads + 1 }, chat]);
    }
    assert.ok((await harness.processes()).length >= 3, 'the worker of the connection is still there');
  } finally {
    socket.destroy();
    far.close();
  }
});

test('hanging, it is replaced', async () => {
  const old = await harness.processes();
  for (const pid of old) process.kill(pid, 'SIGSTOP');
  await until(harness.processes, (now) => now.length >= 2 && !now.some((pid) => old.includes(pid)), 2 * limitMs);
  await untilServed();
});

test('a server process that is killed mid-load costs no GET', async () => {
  const load = wrk(url(), 6, 30);
  for (const index of [0, 1]) {
    await systemClock.sleep(1_000);
    await server(index).kill();
    await until(statsOfWeb, (stats) => stats.servers[index]?.isUp === false, limitMs);
    await server(index).revive();
    await until(statsOfWeb, (stats) => stats.servers[index]?.isUp === true, limitMs);
  }
  const { requests, failed } = await load;
  assert.equal(failed, 0);
  assert.ok(requests > 100);
  assert.equal((await statsOfWeb()).failed, 0, 'requests that another server answered have not failed');
});

test('a server that is killed while the other has all that it takes costs no GET: they wait for the other', async () => {
  const [a, b] = [server(0), server(1)];
  await balancer.apply([{ ...withServers([a.serving, b.serving]), maxPerServer: 4 }]);
  await until(statsOfWeb, ({ servers: now }) => now.filter(({ isUp }) => isUp).length === 2, limitMs);
  const work = Promise.withResolvers<void>();
  const answers = Array.from({ length: 12 }, () => harness.send(web.port, { until: work.promise }));
  await until(statsOfWeb, ({ servers: now }) => now.every(({ inFlight }) => inFlight === 4), limitMs);
  await a.kill();
  try {
    await until(statsOfWeb, ({ waiting }) => waiting === 8, limitMs);
    work.resolve();
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
  } finally {
    await a.revive();
  }
});

test('servers that come, drain and go, and reloads, cost a load nothing', async () => {
  const [a, b, c] = servers.map(({ serving }) => serving);
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  const load = wrk(url(), 8, 30);
  let isOver = false;
  void load.finally(() => {
    isOver = true;
  });
  const draining = { ...b, state: 'draining' as const };
  for (let round = 0; !isOver; round += 1) {
    const sets = [[a], [a, b], [a, draining, c], [b, c], [a, b, c]];
    // A change of the limit is a change that only a reload can make.
    const maxBody = round % 4 === 0 ? maxBodyBytes + round : maxBodyBytes;
    await balancer.apply([{ ...withServers(sets[round % sets.length] ?? []), maxBodyBytes: maxBody }]);
    await systemClock.sleep(100);
  }
  const { requests, failed } = await load;
  assert.equal(failed, 0);
  assert.ok(requests > 100);
  assert.equal((await statsOfWeb()).failed, 0);
});

test('a reload keeps what is in flight in view, and lets idle connections go on', async () => {
  const [a, b] = [server(0), server(1)];
  await balancer.apply([withServers([a.serving])]);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  assert.equal(await ask(agent, 'GET'), place(a.serving));
  const work = Promise.withResolvers<void>();
  const slow = harness.send(web.port, { method: 'POST', until: work.promise });
  await until(statsOfWeb, (stats) => stats.servers[0]?.inFlight === 1, limitMs);

  const other = httpService('other', await harness.freePort(), []);
  await balancer.apply([withServers([a.draining, b.serving]), other]);
  assert.equal((await statsOfWeb()).servers[0]?.inFlight, 1);
  // On the connection of the worker that leaves, which has never heard of this server.
  assert.equal(await ask(agent, 'POST'), place(b.serving));
  agent.destroy();
  work.resolve();
  assert.deepEqual(await slow, { status: 200, server: place(a.serving) });
  await until(statsOfWeb, (stats) => stats.servers[0]?.inFlight === 0, limitMs);
});

test('what waits for a first server survives a reload', async () => {
  await balancer.apply([withServers([])]);
  const early = harness.send(web.port, { method: 'POST' });
  await until(statsOfWeb, ({ waiting }) => waiting === 1, limitMs);
  const other = httpService('other', await harness.freePort(), []);
  await balancer.apply([withServers([]), other]);
  await balancer.apply([withServers([server(2).serving]), other]);
  assert.deepEqual(await early, { status: 200, server: place(server(2).serving) });
});

test('a control plane that is killed: HAProxy serves on, and the next one takes it up as it is', async () => {
  await balancer.close();
  const before = await master();
  const load = wrk(url(), 5, 20);
  const child = await startOtherControlPlane([web]);
  child.kill('SIGKILL');
  await once(child, 'exit');
  balancer = await harness.open();
  await balancer.apply([withServers([server(0).serving, server(1).draining])]);
  assert.equal(await master(), before);
  assert.equal((await load).failed, 0);
});

test('an error that a server answers is passed on, and is not a failure of the front door', async () => {
  const before = await statsOfWeb();
  assert.equal((await harness.send(web.port, { status: 503 })).status, 503);
  const now = await until(statsOfWeb, ({ requests }) => requests > before.requests, limitMs);
  assert.deepEqual([now.requests - before.requests, now.failed - before.failed], [1, 0]);
});

test('clients that send slowly hold up nobody', async () => {
  const sockets: Socket[] = [];
  for (let i = 0; i < 400; i += 1) {
    const socket = connect(web.port, '127.0.0.1').on('error', () => undefined);
    // Half of them never end their headers, half never send the body that they promise.
    socket.write(
      i % 2 === 0 ? 'GET / HTTP/1.1\r\nHost: x\r\nX-a: ' : 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n',
    );
    sockets.push(socket);
  }
  using waited = new Stopwatch();
  for (let i = 0; i < 20; i += 1) assert.equal((await harness.send(web.port)).status, 200);
  assert.ok(waited.elapsedMs < 3_000, `${waited.elapsedMs} ms`);
  await until(statsOfWeb, ({ servers: now }) => now.every(({ inFlight }) => inFlight === 0), limitMs);
  await Promise.all(sockets.map(closed));
});

test('bytes that are no request, and headers without end, are refused', async () => {
  assert.match(await talk(web.port, 'no request\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.match(
    await talk(web.port, `GET / HTTP/1.1\r\nHost: x\r\nX-a: ${'a'.repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1\.1 400 /,
  );
  const both = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde';
  assert.match(await talk(web.port, both), /^HTTP\/1\.1 400 /);
});

test('a body over the limit is refused, sent in chunks too; an announced one before it is sent', async () => {
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';
  const chunk = (bytes: number): string => `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`;
  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  assert.match(await talk(web.port, `${chunked}${chunk(600)}${chunk(600)}0\r\n\r\n`), /^HTTP\/1\.1 413 /);
  assert.match(await talk(web.port, `${chunked}${chunk(600)}${chunk(300)}0\r\n\r\n`), /^HTTP\/1\.1 200 /);
  const announced = await talk(web.port, `${head}Content-Length: 5000000\r\n\r\n`);
  assert.match(announced, /^HTTP\/1\.1 413 /);
  assert.ok(announced.includes('"code":"too_large"'));
});

test('tcp: bytes both ways, a drain that lets connections end, a forced end, and waiting for the first server', async () => {
  const [a, b] = [server(0), server(1)];
  // A connection over which nothing is said for as long as this is cut too, so it must outlast the steps below.
  const fields = { protocol: 'tcp', maxBodyBytes: null, requestTimeoutMs: 15_000 } as const;
  const raw = httpService('raw', await harness.freePort(), [], fields);
  const apply = (...list: BalancedServer[]): Promise<void> => balancer.apply([web, { ...raw, servers: list }]);
  const inFlight = async (name: string): Promise<number | undefined> =>
    (await balancer.stats()).find(({ service }) => service === 'raw')?.servers.find((one) => one.name === name)
      ?.inFlight;
  await apply();
  const early = harness.send(raw.port);
  await until(
    balancer.stats.bind(balancer),
    (stats) => stats.some(({ service, waiting }) => service === 'raw' && waiting === 1),
    limitMs,
  );
  await apply(a.serving);
  assert.deepEqual(await early, { status: 200, server: place(a.serving) });

  const kept = connect(raw.port, '127.0.0.1');
  const cut = closed(kept);
  await until(
    () => inFlight('a'),
    (count) => count === 1,
    limitMs,
  );
  await apply(a.draining, b.serving);
  assert.equal((await harness.send(raw.port)).server, place(b.serving));
  kept.write('GET /?ms=0 HTTP/1.1\r\nHost: x\r\n\r\n');
  const signal = AbortSignal.timeout(limitMs);
  for (let answer = ''; !answer.includes(place(a.serving)); ) answer += (await once(kept, 'data', { signal }))[0];
  // Taken away, it may finish for as long as one request may take, and is then cut.
  await apply(b.serving);
  await cut;
  await a.kill();
  await apply(a.serving);
  const refused = harness.send(raw.port);
  await assert.rejects(refused);
  await a.revive();
});

/** One request over the agent's connections: who answered it. */
function ask(agent: Agent, method: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ agent, host: '127.0.0.1', port: web.port, method, path: '/?ms=0' }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** Sends bytes, and returns all that comes until the other side hangs up. */
function talk(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(limitMs, () => socket.destroy(new Error(`no end of the answer: ${text}`)));
    socket.on('data', (chunk) => {
      text += chunk;
    });
    let problem: Error | undefined;
    // Who hangs up on what it has not read says so by a reset, which may come with the answer.
    socket.on('error', (error) => {
      problem = error;
    });
    socket.on('close', () => (problem === undefined || text !== '' ? resolve(text) : reject(problem)));
    socket.write(bytes);
  });
}

/** Resolves when the connection is closed, in whatever way; what comes over it is dropped if nobody listens. */
function closed(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    socket.on('error', () => undefined).once('close', () => resolve());
    socket.resume();
  });
}

/** Undefined of a process that has ended. */
async function parentOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const parent = /^.*\) \S (\d+) /.exec(stat)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/** A process of its own that opens the same front door and applies the services. */
async function startOtherControlPlane(services: readonly BalancedService[]): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('../support/front-door-process.ts', import.meta.url));
  const child = spawn(process.execPath, [script, harness.folder, JSON.stringify(services)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  for await (const chunk of child.stdout ?? assert.fail()) {
    said += chunk;
    if (said.includes('applied\n')) return child;
  }
  assert.fail(`it ended and said: ${said}`);
}
