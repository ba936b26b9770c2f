import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { FakeClock } from '../../fake/clock.ts';
import { PortPicker } from '../ports.ts';
import type { DatagramPlan } from './gateway.ts';
import { DatagramGateways } from './gateways.ts';

async function plan(): Promise<DatagramPlan> {
  const request = { name: 'p', protocol: 'udp' as const, guestPort: 1 };
  const picked = await new PortPicker(new FakeClock()).pick([request, request, request]);
  const [hostFramePort = 0, guestFramePort = 0, hostPort = 0] = picked.map((port) => port.hostPort ?? 0);
  return { hostFramePort, guestFramePort, forwards: [{ hostPort, guestPort: 1 }] };
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => socket.close(() => resolve(true)));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(false)));
  });
}

test('the gateway of a new machine takes the place of the one that an earlier machine of its name left open', async () => {
  const log: string[] = [];
  const gateways = new DatagramGateways(new FakeClock(), (message) => log.push(message));
  const [old, fresh] = [await plan(), await plan()];
  await gateways.open('m', old);
  await gateways.open('m', fresh);
  assert.deepEqual([await isTaken(old.hostFramePort), await isTaken(fresh.hostFramePort)], [false, true]);
  // A list that is read meanwhile neither opens it twice nor complains.
  await Promise.all([gateways.open('m', old), gateways.adopt(new Map([['m', old]]))]);
  assert.deepEqual([await isTaken(old.hostFramePort), await isTaken(fresh.hostFramePort)], [true, false]);
  assert.deepEqual(log, []);
  gateways.closeAll();
});
