import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { steadyClock } from '../clock/steady-clock.ts';
import { FakeClock } from '../fake/clock.ts';
import { FakeLanes } from './lane.fake.ts';
import { Load, type LoadOptions } from './load.ts';
import { messageOf } from './message.ts';

const server = { name: 'vm-0', host: '127.0.0.1', port: 1 };
const limits = { timeoutMs: 10_000, mostInFlight: 1_000, lanesPerServer: 500, laneAgeMs: Number.POSITIVE_INFINITY };

/** A load on a fake network; each request is answered `answerMs` after it was sent, as that says at the time. */
function fakeLoad(answerMs: (nowMs: number) => number | undefined, changes: Partial<LoadOptions> = {}) {
  const clock = new FakeClock(0);
  const lanes = new FakeLanes();
  let sent = 0;
  lanes.onOpen = (lane) => {
    const { send } = lane;
    lane.send = (request) => {
      sent += 1;
      send.call(lane, request);
      const afterMs = answerMs(clock.now());
      if (afterMs !== undefined) clock.after(afterMs, () => lane.isClosed || lane.answer());
    };
  };
  const load = new Load({ clock, message: { openLane: lanes.open, canRepeat: false }, ...limits, ...changes });
  load.setServers([server]);
  return { load, clock, lanes, sent: () => sent };
}

test('requests are made on time and wait for nobody', async () => {
  const { load, clock, lanes, sent } = fakeLoad(() => undefined);
  load.setPace({ kind: 'every', everyMs: 250 });
  await clock.advance(1_000);
  assert.equal(sent(), 5, 'the first one at once');
  assert.equal(load.inFlight, 5);
  assert.equal(lanes.all.length, 5, 'none waits for an answer');
  load.setPace({ kind: 'every', everyMs: 100 });
  await clock.advance(500);
  assert.equal(sent(), 11);
  load.setPace({ kind: 'off' });
  await clock.advance(5_000);
  assert.equal(sent(), 11);
});

/** A server that answers in 1 ms, but stands still from 10 s to 11 s. */
const stalls = (nowMs: number): number => (nowMs >= 10_000 && nowMs < 11_000 ? 11_001 - nowMs : 1);

for (const lanesPerServer of [500, 1]) {
  test(`a server that stands still for a second shows in the percentiles, with ${lanesPerServer} connections`, async () => {
    const { load, clock } = fakeLoad(stalls, { lanesPerServer });
    load.setPace({ kind: 'every', everyMs: 10 });
    await clock.advance(19_995);
    await load.end(100);
    const { latencyMs, ended, ok } = load.totals();
    assert.deepEqual([ended, ok], [2_000, 2_000]);
    // Of 2,000 requests the 100 of that second took from 1 s down to 10 ms: the 20 longest begin at 0.81 s.
    assert.ok(Math.abs((latencyMs.p99 ?? 0) - 811) < 15, `p99 ${latencyMs.p99}`);
    assert.ok((latencyMs.p50 ?? 0) < 2);
    // Each second of 20 is a twentieth of the requests, but one at a time would have seen one slow request.
    assert.ok(Math.abs((latencyMs.max ?? 0) - 1_001) < 2, `max ${latencyMs.max}`);
  });
}

test('a client that stood still itself makes up for it, and counts from when the requests were due', async () => {
  const { load, clock, sent } = fakeLoad(() => 1);
  const now = clock.now.bind(clock);
  let stoodStillMs = 0;
  clock.now = () => now() + stoodStillMs;
  load.setPace({ kind: 'every', everyMs: 10 });
  await clock.advance(100);
  stoodStillMs = 500;
  await clock.advance(20);
  assert.equal(sent(), 63);
  const { latencyMs, lateMs } = load.totals();
  assert.ok(Math.abs((lateMs.max ?? 0) - 500) < 15, `late ${lateMs.max}`);
  assert.ok(Math.abs((latencyMs.max ?? 0) - 501) < 15, `max ${latencyMs.max}`);
});

test('in a closed loop so many are under way, each followed by the next', async () => {
  const { load, clock, lanes, sent } = fakeLoad(() => 10);
  load.setPace({ kind: 'max', connections: 4 });
  await clock.advance(1_000);
  assert.equal(sent(), 404);
  assert.equal(lanes.all.length, 4);
  load.setPace({ kind: 'every', everyMs: 500 });
  await clock.advance(1_000);
  assert.equal(sent(), 407);
  assert.equal(load.inFlight, 1);
  await clock.advance(10);
  await load.end(1_000);
  assert.deepEqual([load.totals().ok, load.totals().ended], [407, 407]);
});

test('in a closed loop a server that refuses is not asked as fast as it refuses', async () => {
  const { load, clock, lanes } = fakeLoad(() => undefined);
  const onOpen = lanes.onOpen;
  lanes.onOpen = (lane) => {
    onOpen(lane);
    clock.after(0, () => lane.answer('connect'));
  };
  load.setPace({ kind: 'max', connections: 2 });
  await clock.advance(1_000);
  assert.ok(lanes.all.length <= 22, `${lanes.all.length} connections`);
});

test('the servers can be set; those that stay keep their connections', async () => {
  const { load, clock, lanes } = fakeLoad(() => 1);
  const other = { name: 'vm-1', host: '127.0.0.1', port: 2 };
  load.setPace({ kind: 'every', everyMs: 10 });
  await clock.advance(50);
  load.setServers([other, { ...server, name: 'again' }]);
  assert.deepEqual(
    load.servers.map(({ name }) => name),
    ['again', 'vm-1'],
  );
  await clock.advance(100);
  assert.equal(lanes.all.length, 2);
  load.setServers([]);
  assert.deepEqual(load.servers, []);
});

test('at the end what is under way has its time, and what has not ended by then is told', async () => {
  const { load, clock } = fakeLoad((nowMs) => (nowMs === 0 ? 1 : 5_000));
  load.setPace({ kind: 'every', everyMs: 100 });
  await clock.advance(250);
  const ended = load.end(1_000);
  await clock.advance(1_000);
  await ended;
  assert.deepEqual([load.totals().ended, load.inFlight], [1, 2]);
});

test('a real server that stands still for a second: every request of that time waits for its end', async (context) => {
  const held: ServerResponse[] = [];
  let isStill = false;
  let asked = 0;
  const real = createServer((_request, response) => {
    asked += 1;
    if (asked === 100) {
      isStill = true;
      setTimeout(() => {
        isStill = false;
        for (const one of held) one.end('late');
      }, 1_000);
    }
    if (isStill) held.push(response);
    else response.end('ok');
  }).listen(0, '127.0.0.1');
  await once(real, 'listening');
  context.after(() => real.close());
  const { promise, resolve } = Promise.withResolvers<void>();
  let ended = 0;
  const load = new Load({
    clock: steadyClock,
    message: messageOf({ protocol: 'http', path: '/' }),
    ...limits,
    timeoutMs: 60_000,
    onEnd() {
      ended += 1;
      if (ended === 400) resolve();
    },
  });
  load.setServers([{ name: 'real', host: '127.0.0.1', port: (real.address() as AddressInfo).port }]);
  load.setPace({ kind: 'every', everyMs: 10 });
  await promise;
  await load.end(5_000);
  const { latencyMs, lateMs, outcomes } = load.totals();
  assert.equal(outcomes.ok, load.totals().ended);
  // About 100 of the 400 waited: a quarter for more than 0 to 1 s, so one in ten for more than 0.6 s.
  assert.ok((latencyMs.max ?? 0) >= 950, `max ${latencyMs.max}`);
  assert.ok((latencyMs.p99 ?? 0) >= 850, `p99 ${latencyMs.p99}`);
  assert.ok((latencyMs.p90 ?? 0) >= 400, `p90 ${latencyMs.p90}`);
  // Where the machine itself stands still, requests are late.
  assert.ok((latencyMs.p50 ?? Number.NaN) < 500 + (lateMs.max ?? 0), `p50 ${latencyMs.p50}`);
});
