import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { hasCode } from '../../domain/errors.ts';
import { FakeClock } from '../../fake/clock.ts';
import { PortPicker } from '../ports.ts';
import { DatagramGateway, type DatagramPlan } from './gateway.ts';
import { DatagramGateways } from './gateways.ts';
import { mirrored } from './guest.fake.ts';

const loopback = '127.0.0.1';

async function freePlan(): Promise<DatagramPlan> {
  const names = ['host', 'guest', 'service-8000', 'service-8001'];
  const picked = await new PortPicker(new FakeClock()).pick(
    names.map((name) => ({ name, protocol: 'udp', guestPort: 1 })),
  );
  const [host = 0, guest = 0, first = 0, second = 0] = picked.map(({ hostPort }) => hostPort ?? 0);
  const forwards = [
    { hostPort: first, guestPort: 8_000 },
    { hostPort: second, guestPort: 8_001 },
  ];
  return { hostFramePort: host, guestFramePort: guest, forwards };
}

async function socketAt(port = 0): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port, loopback);
  await once(socket, 'listening');
  return socket;
}

/** A gateway, and the machine's end of the cable. */
async function open(t: { after(fn: () => void): void }) {
  const plan = await freePlan();
  const clock = new FakeClock();
  const cable = await socketAt(plan.guestFramePort);
  const gateway = await DatagramGateway.open(plan, clock);
  t.after(() => {
    gateway.close();
    cable.close();
  });
  const send = (frame: Buffer): void => cable.send(frame, plan.hostFramePort, loopback);
  return { plan, clock, cable, send };
}

test('datagrams go to the guest and its answers come back, to each peer its own', async (t) => {
  const { plan, cable, send } = await open(t);
  cable.on('message', (frame) => send(mirrored(frame)));
  const ask = async (text: string, index: number): Promise<void> => {
    const peer = await socketAt();
    peer.send(text, plan.forwards[index]?.hostPort ?? 0, loopback);
    const [answer, from] = await once(peer, 'message');
    assert.equal(String(answer), text);
    assert.equal(from.port, plan.forwards[index]?.hostPort);
    peer.close();
  };
  await Promise.all(Array.from({ length: 50 }, (_, count) => ask(`text ${count}`, count % 2)));
  await ask('', 0);
  await ask('x'.repeat(60_000), 1);
});

test('what the guest sends by itself goes nowhere', async (t) => {
  const { plan, clock, cable, send } = await open(t);
  const peer = await socketAt();
  const heard: string[] = [];
  peer.on('message', (data) => heard.push(String(data)));
  const ask = async (text: string): Promise<Buffer> => {
    peer.send(text, plan.forwards[0]?.hostPort ?? 0, loopback);
    const [frame] = await once(cable, 'message');
    return mirrored(frame);
  };
  const first = await ask('first');
  const toOther = Buffer.from(first);
  toOther.writeUInt16BE(peer.address().port, 36);
  const fromOther = Buffer.from(first);
  fromOther.writeUInt16BE(8_001, 34);
  for (const frame of [toOther, fromOther, Buffer.alloc(1_000), Buffer.alloc(0), first.subarray(0, 41)]) send(frame);
  await clock.advance(60_001);
  send(first); // Too late.
  const last = await ask('last');
  send(last);
  await once(peer, 'message');
  assert.deepEqual(heard, ['last']);
  peer.close();
});

test("frames of anybody but the machine's process are not heard", async (t) => {
  const { plan, cable } = await open(t);
  const stranger = await socketAt();
  const peer = await socketAt();
  const heard: string[] = [];
  peer.on('message', (data) => heard.push(String(data)));
  peer.send('ask', plan.forwards[0]?.hostPort ?? 0, loopback);
  const [frame] = await once(cable, 'message');
  const forged = mirrored(frame);
  forged.write('lie', 42);
  stranger.send(forged, plan.hostFramePort, loopback);
  cable.send(mirrored(frame), plan.hostFramePort, loopback);
  await once(peer, 'message');
  assert.deepEqual(heard, ['ask']);
  stranger.close();
  peer.close();
});

test('a port that is taken is `exhausted`, and nothing stays open', async () => {
  const plan = await freePlan();
  const taken = await socketAt(plan.forwards[1]?.hostPort);
  const gateways = new DatagramGateways(new FakeClock(), () => undefined);
  await assert.rejects(gateways.open('m', plan), (error) => hasCode(error, 'exhausted'));
  taken.close();
  await once(taken, 'close');
  await gateways.open('m', plan);
  gateways.closeAll();
});

test('machines that run already are taken up, as far as their ports are free', async () => {
  const [first, second] = [await freePlan(), await freePlan()];
  const taken = await socketAt(first.hostFramePort);
  const logged: string[] = [];
  const gateways = new DatagramGateways(new FakeClock(), (message) => logged.push(message));
  const plans = new Map([
    ['a', first],
    ['b', second],
  ]);
  await gateways.adopt(plans);
  assert.equal(logged.length, 1);
  assert.match(logged[0] ?? '', /^datagrams of a: /);
  taken.close();
  await once(taken, 'close');
  await gateways.adopt(plans);
  assert.equal(logged.length, 1);
  gateways.close('b');
  const again = await socketAt(second.hostFramePort);
  again.close();
  gateways.closeAll();
});
