import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Client, fakeCloud } from './load/client.fake.ts';

/** The console as a user has it who types into a pipe: a process, whose server is a fake and whose service is real sockets. */

const command = join(import.meta.dirname, '../cmd/tidepool.ts');

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
