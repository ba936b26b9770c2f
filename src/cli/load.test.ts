import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { recordingLineSchema } from '../protocol/recording.ts';
import { Client, fakeCloud } from './load/client.fake.ts';

/** One-shot loads as a user has them: a process, whose server is a fake and whose service is real sockets. */

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
  const { requests, servers, latencyMs, service } = JSON.parse(client.output);
  assert.equal(service, 'fib');
  assert.ok(requests.ok >= 90 && requests.ok <= 102, client.output);
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
