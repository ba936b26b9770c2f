import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { PortPicker, portKey } from './ports.ts';

test('ports are free, differ, and can be listened on', async () => {
  const picker = new PortPicker(new FakeClock());
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

test('ports of machines that are off, or went lately, are given to no other machine', async () => {
  const clock = new FakeClock();
  const picker = new PortPicker(clock);
  const request = { name: 'p', protocol: 'tcp' as const, guestPort: 1 };
  const picked = await picker.pick([request]);
  picker.release(picked);
  // The kernel gives the next free ports; whatever it offers now is refused, and then all of it is taken.
  const offered = new Set<string>();
  const all = { has: (key: string) => offered.add(key).size > 0 } as unknown as ReadonlySet<string>;
  await assert.rejects(picker.pick([request], all), (error) => hasCode(error, 'exhausted'));
  const rested = [...offered].map((key) => ({ ...request, hostPort: Number(key.split(':')[1]) }));
  picker.rest(rested);
  const again = await picker.pick([request]);
  assert.ok(!rested.map(portKey).includes(portKey(again[0] ?? assert.fail())));
});

test('a port rests for ten minutes', async () => {
  const clock = new FakeClock();
  const picker = new PortPicker(clock);
  const request = { name: 'p', protocol: 'tcp' as const, guestPort: 1 };
  const everyPort = Array.from({ length: 65_535 }, (_, index) => ({ ...request, hostPort: index + 1 }));
  picker.rest(everyPort);
  await clock.advance(599_000);
  await assert.rejects(picker.pick([request]), (error) => hasCode(error, 'exhausted'));
  await clock.advance(1_000);
  assert.equal((await picker.pick([request])).length, 1);
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
