import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { steadyClock } from '../clock/steady-clock.ts';
import { countOutcomes } from './lane.fake.ts';
import { Load, type LoadOptions, type Pace } from './load.ts';
import { type MessageSpec, messageOf } from './message.ts';
import type { LoadRequest } from './request.ts';

/** Real sockets: what the client makes of servers that do as they should, and of those that do not. */

const http: MessageSpec = { protocol: 'http', path: '/' };

interface Asking {
  readonly count?: number;
  readonly pace?: Pace;
}

/** Each request when the one before has been answered, however long that takes. */
const oneByOne = { kind: 'max', connections: 1 } as const;
/** Nobody listens on it, and none is given it by chance. */
const closedPort = 1;
const each20Ms = { kind: 'every', everyMs: 20 } as const;
/** For what is to be answered, however long the machine stands still. */
const limitMs = 20_000;

/** Makes so many requests of one server, and gives them when all have ended. */
async function ask(
  spec: MessageSpec,
  port: number,
  { count = 10, pace = { kind: 'every', everyMs: 5 }, ...changes }: Partial<LoadOptions> & Asking = {},
): Promise<LoadRequest[]> {
  const ended: LoadRequest[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const load = new Load({
    clock: steadyClock,
    message: messageOf(spec),
    timeoutMs: limitMs,
    mostInFlight: 1_000,
    lanesPerServer: 100,
    laneAgeMs: Number.POSITIVE_INFINITY,
    onEnd(request) {
      ended.push(request);
      if (ended.length === count) resolve();
    },
    ...changes,
  });
  load.setServers([{ name: 'front', host: '127.0.0.1', port }]);
  // Timers of the load do not keep this process alive.
  const alive = setInterval(() => undefined, 1_000);
  load.setPace(pace);
  await promise;
  load.setPace({ kind: 'off' });
  await load.end(limitMs);
  clearInterval(alive);
  assert.equal(load.inFlight, 0);
  return ended.slice(0, count);
}

/** A TCP server; `onData` gets what comes with the connection, and how many connections there were before. */
async function serve(
  context: TestContext,
  onData: (socket: Socket, data: Buffer, connection: number) => void,
): Promise<{ port: number; connections(): number }> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    const connection = connections;
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => onData(socket, data, connection));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

test('HTTP: what is asked arrives, few connections carry it, and who answered is known', async (context) => {
  const asked: string[] = [];
  let connections = 0;
  const server = createHttpServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      asked.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers['content-type']} ${body}`);
      response.setHeader('x-tidepool-server', `vm-${asked.length % 2}`).end('x'.repeat(100_000));
    });
  }).listen(0, '127.0.0.1');
  server.on('connection', () => {
    connections += 1;
  });
  context.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ended = await ask({ protocol: 'http', path: '/p?n={n}', body: '{"plate":"ä{n}"}' }, port, { pace: oneByOne });
  assert.deepEqual(countOutcomes(ended), { ok: 10 });
  assert.equal(asked[0], `POST /p?n=1 127.0.0.1:${port} application/json {"plate":"ä1"}`);
  assert.ok(connections < 10, `${connections} connections`);
  assert.equal(ended.filter(({ server: name }) => name === 'vm-0').length, 5);
  assert.ok(ended.every(({ dueMs, endedMs }) => endedMs >= dueMs && endedMs - dueMs < limitMs));
});

test('HTTP: nobody listens', async () => {
  assert.deepEqual(countOutcomes(await ask(http, closedPort)), { connect: 10 });
});

test('HTTP: a server that says nothing, or half an answer, runs into the time limit', async (context) => {
  const silent = await serve(context, () => undefined);
  const half = await serve(context, (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'));
  for (const { port, connections } of [silent, half]) {
    const ended = await ask(http, port, { timeoutMs: 300, count: 5 });
    assert.deepEqual(countOutcomes(ended), { timeout: 5 });
    assert.ok(ended.every(({ dueMs, endedMs, server }) => endedMs - dueMs >= 300 && server === 'front'));
    // A connection whose answer may still come is not used again. The server takes each in its own time.
    for (const endsAtMs = Date.now() + limitMs; connections() < 5 && Date.now() < endsAtMs; ) await sleep(10);
    assert.ok(connections() >= 5, `${connections()} connections`);
  }
});

const failing: Readonly<Record<string, readonly [react: (socket: Socket) => void, outcome: string]>> = {
  'resets the connection': [(socket) => socket.resetAndDestroy(), 'reset'],
  'closes the connection': [(socket) => socket.end(), 'reset'],
  'closes it after half an answer': [(socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha'), 'reset'],
  'answers garbage': [(socket) => socket.write(Buffer.alloc(5_000, '\x00\xff\r\n\r\n', 'latin1')), 'bad answer'],
  'never ends its head': [(socket) => socket.write(`HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(9_000)}`), 'bad answer'],
  'answers that it is overloaded': [
    (socket) => socket.end('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n'),
    'http 5xx',
  ],
  'ends its answer by closing': [(socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it'), 'ok'],
  'closes after each answer': [(socket) => socket.end(answer), 'ok'],
  'answers in many pieces': [
    (socket) => {
      for (const letter of answer) socket.write(letter);
    },
    'ok',
  ],
};
for (const [name, [react, outcome]] of Object.entries(failing)) {
  test(`HTTP: a server that ${name}`, async (context) => {
    const { port } = await serve(context, react);
    assert.deepEqual(countOutcomes(await ask(http, port)), { [outcome]: 10 });
  });
}

test('HTTP: an idle connection that the server closes is no failure, nor one that it closes as it is used', async (context) => {
  const idle = await serve(context, (socket) => {
    socket.write(answer);
    setImmediate(() => socket.destroy());
  });
  assert.deepEqual(countOutcomes(await ask(http, idle.port, { pace: each20Ms })), { ok: 10 });
  const used = await serve(context, (socket, _data, connection) => {
    // The first request of each connection is answered, the second one is not.
    if (socket.bytesWritten > 0) socket.destroy();
    else socket.write(answer);
    assert.ok(connection < 20);
  });
  assert.deepEqual(countOutcomes(await ask(http, used.port, { pace: oneByOne })), { ok: 10 });
  assert.ok(used.connections() >= 4);
});

test('HTTP: what a server says unasked is never taken for an answer', async (context) => {
  const { port } = await serve(context, (socket) => {
    socket.write(answer);
    setImmediate(() => socket.write('HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n'));
  });
  assert.deepEqual(countOutcomes(await ask(http, port, { pace: each20Ms })), { ok: 10 });
});

test('TCP: a line is answered by a line', async (context) => {
  const lines: string[] = [];
  const { port, connections } = await serve(context, (socket, data) => {
    lines.push(data.toString());
    socket.write(`you said ${data}`);
  });
  const spec: MessageSpec = { protocol: 'tcp', payload: 'hello {n}' };
  assert.deepEqual(countOutcomes(await ask(spec, port, { pace: oneByOne })), { ok: 10 });
  assert.deepEqual(lines.slice(0, 2), ['hello 1\n', 'hello 2\n']);
  assert.ok(connections() < 10);
  const old = await serve(context, (socket, data) => socket.write(data));
  await ask(spec, old.port, { pace: each20Ms, laneAgeMs: 0 });
  assert.ok(old.connections() >= 9, 'connections that are too old are not used again');
});

test('TCP: a line that is cut off by the end is no answer', async (context) => {
  const { port } = await serve(context, (socket) => socket.end('half'));
  assert.deepEqual(countOutcomes(await ask({ protocol: 'tcp' }, port)), { reset: 10 });
});

async function serveUdp(
  context: TestContext,
  react: (request: Buffer, reply: (answer: Buffer) => void) => void,
): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('message', (request, { port, address }) => react(request, (bytes) => socket.send(bytes, port, address)));
  context.after(() => socket.close());
  return socket.address().port;
}

test('UDP: four random bytes by default, and each answer belongs to its request', async (context) => {
  const sizes = new Set<number>();
  const values = new Set<number>();
  const port = await serveUdp(context, (request, reply) => {
    sizes.add(request.length);
    values.add(request.readUInt32BE());
    reply(Buffer.alloc(8));
    // Once more, as a network may.
    reply(Buffer.alloc(8));
  });
  assert.deepEqual(countOutcomes(await ask({ protocol: 'udp' }, port, { pace: each20Ms })), { ok: 10 });
  assert.deepEqual([...sizes], [4]);
  assert.ok(values.size > 5);
});

test('UDP: no answer, an empty one, and a late one', async (context) => {
  const silent = await serveUdp(context, () => undefined);
  assert.deepEqual(countOutcomes(await ask({ protocol: 'udp' }, silent, { timeoutMs: 200 })), { timeout: 10 });
  const empty = await serveUdp(context, (_request, reply) => reply(Buffer.alloc(0)));
  assert.deepEqual(countOutcomes(await ask({ protocol: 'udp' }, empty)), { 'bad answer': 10 });
  // Every second request is answered only after its time is up, while others are under way.
  let asked = 0;
  let inTime = 0;
  const timers: NodeJS.Timeout[] = [];
  context.after(() => timers.forEach(clearTimeout));
  const late = await serveUdp(context, (request, reply) => {
    asked += 1;
    if (asked % 2 === 0) {
      timers.push(setTimeout(() => reply(request), 500));
      return;
    }
    inTime += 1;
    reply(request);
  });
  const ended = await ask({ protocol: 'udp' }, late, {
    timeoutMs: 300,
    pace: { kind: 'every', everyMs: 40 },
    count: 20,
  });
  const { timeout = 0, ok = 0 } = countOutcomes(ended);
  // Where the machine stands still, more of them are late, or come at once afterwards.
  assert.ok(
    timeout + ok === 20 && ok > 0 && ok <= inTime,
    `${timeout} timed out, ${ok} ok, ${inTime} answered in time`,
  );
});

test('UDP: nobody listens', async () => {
  assert.deepEqual(countOutcomes(await ask({ protocol: 'udp' }, closedPort)), { connect: 10 });
});

test('UDP: a payload in hexadecimal arrives as it is', async (context) => {
  const port = await serveUdp(context, (request, reply) => {
    assert.equal(request.toString('hex'), '0000001b');
    reply(request);
  });
  assert.deepEqual(countOutcomes(await ask({ protocol: 'udp', payload: '0x0000001B' }, port)), { ok: 10 });
});
