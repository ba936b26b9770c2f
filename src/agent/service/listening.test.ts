import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { pid } from 'node:process';
import { test } from 'node:test';
import { listeningOn, readListening } from './listening.ts';

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const line = (address: string, state: string): string =>
  `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0\n`;

test('a socket that listens on the port, wherever others can reach it', () => {
  for (const address of ['00000000:1F40', '0F03000A:1F40', `${'0'.repeat(32)}:1F40`])
    assert.equal(listeningOn([head, line(address, '0A')], 'tcp', 8000), 'yes', address);
  assert.equal(listeningOn([line('00000000:1F40', '07')], 'udp', 8000), 'yes');
});

test('a socket that others cannot reach', () => {
  for (const address of ['0100007F:1F40', `${'0'.repeat(24)}01000000:1F40`, `${'0'.repeat(16)}FFFF00000100007F:1F40`])
    assert.equal(listeningOn([line(address, '0A')], 'tcp', 8000), 'loopback', address);
  const both = line('0100007F:1F40', '0A') + line('00000000:1F40', '0A');
  assert.equal(listeningOn([both], 'tcp', 8000), 'yes');
});

test('other ports, connections and nonsense are none', () => {
  for (const table of ['', head, line('00000000:1F41', '0A'), line('00000000:1F40', '01'), 'x: y z\n0: A:B C D\n'])
    assert.equal(listeningOn([table], 'tcp', 8000), 'no', table);
  assert.equal(listeningOn([line('00000000:1F40', '01')], 'udp', 8000), 'no');
});

test('real sockets of this process', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => [server.close(), socket.close()]);
  const { port } = server.address() as AddressInfo;
  assert.equal(await readListening(pid, 'tcp', port), 'loopback');
  assert.equal(await readListening(pid, 'udp', socket.address().port), 'loopback');
  assert.equal(await readListening(2 ** 30, 'tcp', port), 'no');
});
