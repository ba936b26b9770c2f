import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { recordingLineSchema } from '../protocol/recording.ts';
import { FakeCloud } from './load/cloud.fake.ts';

/** The command as a user has it: a process, whose server is a fake and whose service is real sockets. */

const command = join(import.meta.dirname, '../cmd/tidepool.ts');
const limitMs = 60_000;

/** A process of `tidepool load`, and what it has said so far. */
class Client {
  readonly child: ChildProcessWithoutNullStreams;
  output = '';
  errors = '';
  readonly #ended: Promise<unknown[]>;
  #onOutput: () => void = () => undefined;

  constructor(context: TestContext, cloud: FakeCloud, args: readonly string[]) {
    const env = { ...process.env, TIDEPOOL_URL: cloud.url, TIDEPOOL_TOKEN: 't' };
    this.child = spawn(process.execPath, [command, 'load', ...args], { env });
    this.#ended = once(this.child, 'close');
    this.child.stdin.on('error', () => undefined);
    this.child.stdout.on('data', (chunk) => {
      this.output += chunk;
      this.#onOutput();
    });
    this.child.stderr.on('data', (chunk) => {
      this.errors += chunk;
      this.#onOutput();
    });
    context.after(() => this.child.kill('SIGKILL'));
  }

  type(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  /** Waits until this has been said since the last call for it. */
  async says(pattern: RegExp): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const limit = setTimeout(
      () => reject(new Error(`never said ${pattern}:\n${this.output}\n${this.errors}`)),
      limitMs,
    );
    this.#onOutput = () => {
      if (!pattern.test(this.output + this.errors)) return;
      this.output = this.output.replace(pattern, '');
      this.errors = this.errors.replace(pattern, '');
      resolve();
    };
    this.#onOutput();
    await promise.finally(() => clearTimeout(limit));
    this.#onOutput = () => undefined;
  }

  async ended(): Promise<number | null> {
    const limit = setTimeout(() => this.child.kill('SIGKILL'), limitMs);
    const [code] = await this.#ended;
    clearTimeout(limit);
    return code as number | null;
  }
}

/** A cloud with the service `fib`. @param port of its front door, if it has one */
async function fakeCloud(context: TestContext, protocol: 'http' | 'udp', port: number | null): Promise<FakeCloud> {
  const address = port === null ? null : { host: '127.0.0.1', port };
  const cloud = new FakeCloud({ name: 'fib', protocol, address });
  await cloud.listen();
  context.after(() => cloud.close());
  return cloud;
}

/** An HTTP service whose answers say that they are of one of two VMs. */
async function httpService(context: TestContext, status = 200): Promise<number> {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ input: 5, result: 5, server: `fib-000${asked % 2}` }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('one shot: requests on time, a result as JSON, a log and a recording', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-load-'));
  context.after(() => rm(folder, { recursive: true }));
  const cloud = await fakeCloud(context, 'http', await httpService(context));
  const [log, record] = [join(folder, 'a.log'), join(folder, 'a.jsonl')];
  const args = ['--rate', '50', '--for', '2s', '--path', '/{random:1-9}', '--json'];
  const client = new Client(context, cloud, ['fib', ...args, '--log', log, '--loglevel', 'debug', '--record', record]);
  assert.equal(await client.ended(), 0);
  assert.equal(client.errors, '');
  const { requests, servers, latencyMs, service, seconds } = JSON.parse(client.output);
  assert.equal(service, 'fib');
  // On a busy machine the end of the run may come late: requests are due until then, and none after it.
  assert.ok(seconds >= 2 && requests.ok >= 95 && requests.ok <= 50 * seconds + 10, client.output);
  assert.equal(requests.failed, 0);
  assert.equal(requests.inFlight, 0);
  assert.ok(latencyMs.p50 > 0 && latencyMs.p50 <= latencyMs.p99);
  assert.deepEqual(servers.map(({ name }: { name: string }) => name).sort(), ['fib-0000', 'fib-0001']);
  const logged = await readFile(log, 'utf8');
  assert.match(logged, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO pace: 50\/s$/m);
  assert.match(logged, /DEBUG request 1: ok by fib-000\d in [\d.]+ ms/);
  const lines = (await readFile(record, 'utf8')).trimEnd().split('\n');
  const recorded = lines.map((line) => recordingLineSchema.parse(JSON.parse(line)));
  assert.equal(
    recorded.reduce((sum, line) => sum + (line.type === 'requests' ? line.dueMs.length : 0), 0),
    requests.ok,
  );
  assert.ok(recorded.some((line) => line.type === 'sample' && line.pool === 'fib'));
});

test('one shot: lines while it runs, a summary at the end; Ctrl-C leaves the VMs as they are', async (context) => {
  const cloud = await fakeCloud(context, 'http', await httpService(context));
  const client = new Client(context, cloud, ['fib', '--mode', 'high']);
  await client.says(/\d\d:\d\d:\d\d {2}high \(20\/s\) {2}[\d.]+\/s ok {2}p50 .* fib-0000 .*fib-0001 [\d.]+\/s\n/);
  client.child.kill('SIGINT');
  assert.equal(await client.ended(), 0);
  assert.match(client.output, /^fib: \d+ requests in [\d.]+ s .*: \d+ ok, failed 0$/m);
  assert.match(client.output, /^response time, from when each was due: p50 /m);
  assert.match(client.output, /^ {2}fib-0000: \d+ \(\d+ %\) {2}p50/m);
  assert.equal(cloud.stops, 0);
});

test('a service that only fails: the exit code says so', async (context) => {
  const failing = await fakeCloud(context, 'http', await httpService(context, 500));
  const client = new Client(context, failing, ['fib', '--every', '0.05', '--for', '1s']);
  assert.equal(await client.ended(), 69);
  assert.match(client.output, /0 ok, failed \d+ \(http 5xx \d+\)/);
  assert.match(client.errors, /no request was answered as it should be/);
});

test('one failure is enough with --fail-on-error, and not without', async (context) => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    response.writeHead(asked % 5 === 0 ? 503 : 200).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const cloud = await fakeCloud(context, 'http', (server.address() as AddressInfo).port);
  for (const [args, code] of [
    [[], 0],
    [['--fail-on-error'], 1],
  ] as const) {
    const client = new Client(context, cloud, ['fib', '--every', '0.05', '--for', '1s', ...args]);
    assert.equal(await client.ended(), code);
  }
});

test('what cannot work is refused at once', async (context) => {
  const cloud = await fakeCloud(context, 'http', 1);
  for (const [args, message, code] of [
    [['none', '--mode', 'low'], /there is no such service/, 66],
    [['fib', '--mode', 'fast'], /--mode fast is none of low, mid, high/, 2],
    [['fib', '--mode', 'low', '--payload', 'x'], /--payload is for tcp and udp/, 2],
    [['fib', '--mode', 'low', '--record', '/nowhere/x'], /cannot be written/, 2],
    [['fib', '--mode', 'low', '--log', '/nowhere/x'], /cannot be written/, 2],
  ] as const) {
    const client = new Client(context, cloud, args);
    assert.equal(await client.ended(), code, client.errors);
    assert.match(client.errors, message);
  }
});

/** A UDP server; counts what it is asked. */
async function udpService(context: TestContext): Promise<{ port: number; asked(): number }> {
  const socket = createSocket('udp4');
  let asked = 0;
  socket.on('message', (_request, { address, port }) => {
    asked += 1;
    socket.send(Buffer.alloc(8), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  context.after(() => socket.close());
  return { port: socket.address().port, asked: () => asked };
}

test('the console by a pipe: words, servers of the cloud and by hand, mistakes, and exit', async (context) => {
  const [first, second] = [await udpService(context), await udpService(context)];
  const cloud = await fakeCloud(context, 'udp', null);
  cloud.endpoints = [{ vm: 'fib-0000', host: '127.0.0.1', port: first.port }];
  const client = new Client(context, cloud, ['fib', '--rates', '2,10,100']);
  await client.says(new RegExp(`1 server: fib-0000 127.0.0.1:${first.port}\n`));
  client.type('high');
  await client.says(/high \(100\/s\)\n/);
  await client.says(/ok \d\d+ {2}failed 0 {2}fib-0000 [\d.]+\/s\n/);
  assert.ok(first.asked() > 0);

  for (const [line, problem] of [
    ['hihg', /"hihg" is not known; see: help\n/],
    ['custom -1', /from 0.00001 to 86400 seconds, not -1\n/],
    ['custom abc', /"abc" is not a number of seconds\n/],
    ['+ 1.2.3 x', /"1.2.3" is not an IP address\n/],
    ['- 127.0.0.1 1', /127.0.0.1 1 is not there\n/],
  ] as const) {
    client.type(line);
    await client.says(problem);
  }
  // Nothing of that has disturbed anything.
  await client.says(/failed 0 {2}fib-0000 [\d.]+\/s\n/);

  client.type(`+ 127.0.0.1 ${second.port}`);
  await client.says(new RegExp(`2 servers: fib-0000 .*, 127.0.0.1:${second.port}\n`));
  client.type(`- 127.0.0.1 ${first.port}`);
  await client.says(new RegExp(`1 server: 127.0.0.1:${second.port}\n`));
  await client.says(new RegExp(`failed 0 {2}127.0.0.1:${second.port} [\\d.]+/s\n`));
  client.type('clear_servers');
  await client.says(/no servers\n/);
  await client.says(/no server to send to\n/);
  client.type('refresh');
  await client.says(/1 server: fib-0000/);
  await client.says(/fib-0000 [\d.]+\/s\n/);

  cloud.tell('launching', { vm: 'fib-0001' });
  await client.says(/fib-0001 is launching\n/);
  cloud.tell('added', { vm: 'fib-0001', host: '127.0.0.1', port: second.port });
  await client.says(new RegExp(`\\+ 127.0.0.1 ${second.port} {2}fib-0001 serves\n`));
  await client.says(/fib-0000 [\d.]+\/s, fib-0001 [\d.]+\/s\n/);
  cloud.tell('removed', { vm: 'fib-0000', host: '127.0.0.1', port: first.port, reason: 'drained' });
  await client.says(/- 127.0.0.1 \d+ {2}fib-0000 serves no more: drained\n/);
  cloud.tell('failed', { vm: 'fib-0002', reason: 'crashed \x1b[2J' });
  await client.says(/fib-0002 failed: crashed \?\[2J\n/);

  client.type('custom 0.3');
  await client.says(/one each 0.3 s\n/);
  client.type('off');
  await client.says(/off\n/);
  client.type('exit');
  assert.equal(await client.ended(), 0);
  assert.equal(cloud.stops, 1);
  assert.match(client.output, /fib is stopped: its VMs are shut down\n/);
  assert.match(client.output, /fib: \d+ requests/);
});

test('a stream of endpoints that breaks is taken up again, with what has changed meanwhile', async (context) => {
  const { port } = await udpService(context);
  const cloud = await fakeCloud(context, 'udp', null);
  const client = new Client(context, cloud, ['fib']);
  await client.says(/no servers\n/);
  client.type('5');
  cloud.endpoints = [{ vm: 'fib-0007', host: '127.0.0.1', port }];
  cloud.breakStreams();
  await client.says(/the cloud no longer tells of its servers: /);
  await client.says(/the cloud tells of its servers again\n/);
  client.type('high');
  await client.says(/fib-0007 [\d.]+\/s\n/);
  // The end of the input is as Ctrl-C.
  client.child.stdin.end();
  assert.equal(await client.ended(), 0);
  assert.equal(cloud.stops, 0);
});

test('without a terminal or a pipe there is no console', async (context) => {
  const cloud = await fakeCloud(context, 'http', 1);
  const env = { ...process.env, TIDEPOOL_URL: cloud.url, TIDEPOOL_TOKEN: 't' };
  const child = spawn(process.execPath, [command, 'load', 'fib'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  context.after(() => child.kill('SIGKILL'));
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 2);
  assert.match(errors, /use --mode, --every or --rate/);
});
