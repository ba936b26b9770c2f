import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { hasCode } from '../../src/domain/errors.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { keepaliveProgram } from '../../src/libvirt/keepalive.ts';
import { LibvirtLink } from '../../src/libvirt/link.ts';
import { openConnection } from '../../src/libvirt/open-connection.ts';
import { type Packet, packetType } from '../../src/libvirt/packet.ts';
import { procedures as call } from '../../src/libvirt/procedures.ts';
import { type PeerConnection, ScriptedPeer } from '../support/scripted-peer.ts';

/** What libvirt's daemon does by itself: it reads a connection no more that has 5 calls, and ends one that is silent. */
const mostCalls = 5;
const silenceMs = 25_000;
const ourCalls = 4;

let peer: ScriptedPeer;
let clock: FakeClock;
afterEach(() => peer.stop());

/** @param onCall answers what it likes; other calls stay unanswered */
async function daemon(onCall: (far: PeerConnection, packet: Packet) => void = () => undefined): Promise<void> {
  clock = new FakeClock();
  const watches = new Map<PeerConnection, () => void>();
  const onPacket = (far: PeerConnection, packet: Packet): void => {
    watches.get(far)?.();
    watches.set(
      far,
      clock.after(silenceMs, () => void far.socket.destroy()),
    );
    if (packet.program === keepaliveProgram) far.send({ ...packet, procedure: 2 });
    else if (packet.type === packetType.call) onCall(far, packet);
  };
  peer = await ScriptedPeer.start({ keepalive: true, mostCalls, onPacket });
}

/** Time goes on while sockets are read. */
async function pass(ms: number, stepMs = 2_500): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
    await clock.advance(stepMs);
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

const domain = (number: number) => ({ name: `d${number}`, uuid: new Uint8Array(16).fill(number), id: number });
const connect = () => openConnection({ uri: peer.uri, clock, env: {} }, () => undefined, true);

function openLink(): Promise<LibvirtLink> {
  const nothing = (): void => undefined;
  return LibvirtLink.open({
    ...{ uri: peer.uri, clock, env: {}, log: nothing },
    ...{ onLifecycle: nothing, onLost: nothing, onReconnect: nothing },
  });
}

test('calls that last never bring a connection to the daemon’s limit, where it would hear no pings and end', async () => {
  const waiting: Packet[] = [];
  await daemon((_far, packet) => waiting.push(packet));
  const connection = await connect();
  const far = await peer.connection(0);
  const calls = Array.from({ length: 12 }, (_, number) =>
    connection.call(call.domainManagedSave, { domain: domain(number), flags: 0 }),
  );
  await pass(90_000);
  assert.equal(connection.isOpen, true);
  assert.equal(waiting.length, ourCalls);
  for (let number = 0; number < calls.length; number += 1) {
    while (waiting[number] === undefined) await pass(1, 1);
    far.reply(waiting[number] ?? assert.fail(), call.domainManagedSave, undefined);
  }
  await Promise.all(calls);
  assert.equal(far.mostUnanswered, ourCalls);
});

test('machines that take long to end hold back neither lists, statistics nor new machines', async () => {
  await daemon((far, packet) => {
    if (packet.procedure === call.connectGetAllDomainStats.number)
      far.reply(packet, call.connectGetAllDomainStats, { records: [] });
    if (packet.procedure === call.domainCreate.number) far.reply(packet, call.domainCreate, { domain: domain(1) });
    if (packet.procedure === call.connectClose.number) far.reply(packet, call.connectClose, undefined);
  });
  const link = await openLink();
  for (let number = 0; number < 10; number += 1)
    link.call(call.domainDestroy, { domain: domain(number), flags: 0 }).catch(() => undefined);
  await pass(45_000);
  await link.call(call.connectGetAllDomainStats, { domains: [], stats: 1, flags: 0 });
  await link.call(call.domainCreate, { domain: domain(1), flags: 0 });
  assert.equal(clock.uptimeMs() % 2_500, 0, 'no time passed');
  assert.deepEqual(
    peer.connections.map(({ mostUnanswered }) => mostUnanswered),
    [1, 1, ourCalls],
  );
});

test('what is still carried out is not sent a second time: who asks again gets the answer of the first', async () => {
  await daemon();
  const connection = await connect();
  const far = await peer.connection(0);
  const destroy = () => connection.call(call.domainDestroy, { domain: domain(1), flags: 0 });
  const first = destroy();
  first.catch(() => undefined);
  const taken = await far.takeCall(call.domainDestroy);
  await pass(call.domainDestroy.deadlineMs);
  await assert.rejects(first, (error) => hasCode(error, 'timeout'));
  const [second, third] = [destroy(), destroy()];
  const other = connection.call(call.domainDestroy, { domain: domain(2), flags: 0 });
  const sent = await far.takeCall(call.domainDestroy);
  far.reply(sent, call.domainDestroy, undefined);
  await other;
  assert.deepEqual(
    far.received.filter(({ procedure }) => procedure === call.domainDestroy.number),
    [],
  );
  far.reply(taken, call.domainDestroy, undefined);
  await Promise.all([second, third]);
});

test('a call whose time passes while it waits is never sent, and says why; too many are refused at once', async () => {
  await daemon();
  const connection = await connect();
  const far = await peer.connection(0);
  const ask = () => connection.call(call.connectGetHostname, undefined);
  const all = Array.from({ length: ourCalls + 1_024 }, ask);
  for (const one of all) one.catch(() => undefined);
  await assert.rejects(ask(), (error) => hasCode(error, 'exhausted') && /try again later/.test(error.message));
  await pass(call.connectGetHostname.deadlineMs);
  await assert.rejects(all[0] ?? assert.fail(), (error) => hasCode(error, 'timeout') && /answer/.test(error.message));
  await assert.rejects(
    all.at(-1) ?? assert.fail(),
    (error) => hasCode(error, 'timeout') && /no place/.test(error.message),
  );
  for (let i = 0; i < ourCalls; i += 1)
    far.reply(await far.takeCall(call.connectGetHostname), call.connectGetHostname, { hostname: '' });
  const next = ask();
  far.reply(await far.takeCall(call.connectGetHostname), call.connectGetHostname, { hostname: 'next' });
  assert.deepEqual(await next, { hostname: 'next' });
  assert.equal(far.mostUnanswered, ourCalls);
});

test('places that calls without an answer hold come back: the connection is given up for a new one', async () => {
  await daemon();
  const connection = await connect();
  connection.call(call.connectGetHostname, undefined).catch(() => undefined);
  await pass(call.connectGetHostname.deadlineMs + 590_000, 5_000);
  assert.equal(connection.isOpen, true);
  await pass(15_000, 5_000);
  assert.equal(connection.isOpen, false);
  assert.match((await connection.ended).message, /ConnectGetHostname was not answered for 610 s/);
});
