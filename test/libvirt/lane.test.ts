import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { hasCode } from '../../src/domain/errors.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { decode } from '../../src/libvirt/connection.ts';
import { Lane } from '../../src/libvirt/lane.ts';
import type { LifecycleEvent } from '../../src/libvirt/link.ts';
import { lifecycleEventNumber, procedures } from '../../src/libvirt/procedures.ts';
import { lifecycleMessage } from '../../src/libvirt/types.ts';
import { encoded, ScriptedPeer } from '../support/scripted-peer.ts';

let peer: ScriptedPeer;
let clock: FakeClock;
let log: string[];
let events: LifecycleEvent[];
let lost: number;
let wentAway: PromiseWithResolvers<void>;
let back: PromiseWithResolvers<void>;

beforeEach(async () => {
  peer = await ScriptedPeer.start();
  clock = new FakeClock();
  log = [];
  events = [];
  lost = 0;
  wentAway = Promise.withResolvers();
  back = Promise.withResolvers();
});
afterEach(() => peer.stop());

function open(): Promise<Lane> {
  return Lane.open({
    name: 'look',
    uri: peer.uri,
    clock,
    env: {},
    log: (message) => log.push(message),
    onMessage: (_procedure, payload) => events.push(decode(lifecycleMessage, payload)),
    prepare: async () => undefined,
    onLost: () => {
      lost += 1;
      wentAway.resolve();
    },
    onReconnect: () => back.resolve(),
  });
}

const dom = { name: 'd', uuid: new Uint8Array(16).fill(1), id: 1 };

/** Advances in small steps until the promise is settled; sockets need real time in between. */
async function advanceUntil(settled: Promise<unknown>, stepMs: number): Promise<number> {
  let done = false;
  let advancedMs = 0;
  void settled.then(() => {
    done = true;
  });
  while (!done) {
    await clock.advance(stepMs);
    advancedMs += stepMs;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return advancedMs;
}

test('a lost connection comes back by itself, and hears events again', async () => {
  const link = await open();
  const first = await peer.connection(0);
  const waiting = link.call(procedures.connectGetHostname, undefined);
  waiting.catch(() => undefined);
  await first.takeCall(procedures.connectGetHostname);
  first.socket.destroy();
  await assert.rejects(waiting, (error) => hasCode(error, 'unavailable'));
  await assert.rejects(link.call(procedures.connectGetHostname, undefined), (error) => hasCode(error, 'unavailable'));
  assert.equal(lost, 1);

  await advanceUntil(back.promise, 50);
  const second = await peer.connection(1);
  const hostname = link.call(procedures.connectGetHostname, undefined);
  const event = encoded(lifecycleMessage, { callbackId: 0, domain: dom, event: 2, detail: 0 });
  second.event(lifecycleEventNumber, event);
  second.reply(await second.takeCall(procedures.connectGetHostname), procedures.connectGetHostname, { hostname: 'h' });
  assert.deepEqual(await hostname, { hostname: 'h' });
  assert.deepEqual(
    events.map(({ event: number, domain: { name } }) => [number, name]),
    [[2, 'd']],
  );
  const closing = link.close();
  second.reply(await second.takeCall(procedures.connectClose), procedures.connectClose, undefined);
  await closing;
});

test('while the daemon is away, tries come at growing distances, up to 5 s', async () => {
  const link = await open();
  await peer.stop();
  // The first wait begins when the loss is noticed.
  await wentAway.promise;
  const waits: number[] = [];
  const tries = Promise.withResolvers<void>();
  const { sleep } = clock;
  clock.sleep = (ms, signal) => {
    waits.push(ms);
    if (waits.length === 8) tries.resolve();
    return sleep.call(clock, ms, signal);
  };
  await advanceUntil(tries.promise, 100);
  // The first wait had begun before.
  for (const [index, plainMs] of [200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000].entries()) {
    const waitMs = waits[index] ?? 0;
    assert.ok(waitMs >= 0.8 * plainMs && waitMs <= 1.2 * plainMs, `${waitMs} ms where ${plainMs} ms is plain`);
  }
  assert.equal(log.filter((line) => line.includes('is not back')).length, 1, 'a repeated message is not repeated');
  await link.close();
  assert.equal(clock.waiting, 0);
});

test('a first connection that fails is the caller’s to see', async () => {
  await peer.stop();
  await assert.rejects(open(), (error) => hasCode(error, 'unavailable'));
  assert.equal(clock.waiting, 0);
});

test('a malformed event ends the connection, which then comes back', async () => {
  const link = await open();
  (await peer.connection(0)).event(lifecycleEventNumber, Buffer.from('00', 'hex'));
  await advanceUntil(back.promise, 50);
  assert.equal(lost, 1);
  assert.equal(peer.connections.length, 2);
  const closing = link.close();
  const second = await peer.connection(1);
  second.reply(await second.takeCall(procedures.connectClose), procedures.connectClose, undefined);
  await closing;
});
