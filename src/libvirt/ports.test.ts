import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { PortPicker } from './ports.ts';

test('ports are free, differ, and can be listened on', async () => {
  const picker = new PortPicker();
  const requests = Array.from({ length: 20 }, (_, index) => ({
    name: `p${index}`,
    protocol: index % 2 === 0 ? ('tcp' as const) : ('udp' as const),
    guestPort: index + 1,
  }));
  const picked = await picker.pick(requests);
  const keys = picked.map(({ protocol, hostPort }) => `${protocol}:${hostPort}`);
  assert.equal(new Set(keys).size, 20);
  assert.deepEqual(
    picked.map(({ name, guestPort }) => ({ name, guestPort })),
    requests.map(({ name, guestPort }) => ({ name, guestPort })),
  );
  const tried = await Promise.all(
    picked.map(({ protocol, hostPort }) => protocol === 'udp' || canListen(hostPort ?? 0)),
  );
  // Somebody else may have taken one since; that all are taken is not by chance.
  assert.ok(tried.filter((can) => can).length > picked.length / 2);
});

/** Whether a connection to the port can be had; false when somebody else has it. */
function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => {
      connect(port, '127.0.0.1').once('close', () => server.close(() => resolve(true)));
    });
  });
}
