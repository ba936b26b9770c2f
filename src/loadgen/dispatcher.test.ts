import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { Dispatcher, type DispatcherOptions, mostServers } from './dispatcher.ts';
import { countOutcomes, FakeLanes } from './lane.fake.ts';
import { type LoadRequest, newRequest } from './request.ts';

const first = { name: 'vm-0', host: '127.0.0.1', port: 1 };
const second = { name: 'vm-1', host: '127.0.0.1', port: 2 };

function dispatcher(changes: Partial<DispatcherOptions> = {}) {
  const clock = new FakeClock(0);
  const lanes = new FakeLanes();
  const ended: LoadRequest[] = [];
  const dispatcher = new Dispatcher({
    clock,
    openLane: lanes.open,
    canRepeat: true,
    timeoutMs: 10_000,
    mostInFlight: 100,
    lanesPerServer: 50,
    laneAgeMs: Number.POSITIVE_INFINITY,
    onEnd: (request) => ended.push(request),
    ...changes,
  });
  let number = 0;
  const submit = (count = 1): void => {
    for (let i = 0; i < count; i += 1) {
      number += 1;
      dispatcher.submit(newRequest(number, clock.now(), false));
    }
  };
  return { dispatcher, clock, lanes, ended, submit };
}

test('requests go to the server with the fewest in flight, by turns among equals', () => {
  const { dispatcher: one, lanes, submit } = dispatcher();
  one.add(first);
  one.add(second);
  submit(10);
  assert.deepEqual([lanes.busy(1).length, lanes.busy(2).length], [5, 5]);
  for (const lane of lanes.busy(2)) lane.answer();
  submit(4);
  assert.deepEqual([lanes.busy(1).length, lanes.busy(2).length], [5, 4]);
  assert.equal(lanes.all.length, 10, 'idle lanes are used again');
});

test('beyond the lanes requests wait, and beyond the bound they are dropped', () => {
  const { dispatcher: one, lanes, ended, submit } = dispatcher({ lanesPerServer: 2, mostInFlight: 5 });
  one.add(first);
  submit(7);
  assert.equal(lanes.busy().length, 2);
  assert.equal(one.inFlight, 5);
  assert.deepEqual(countOutcomes(ended), { dropped: 2 });
  while (lanes.busy().length > 0) lanes.busy()[0]?.answer();
  assert.deepEqual(countOutcomes(ended), { dropped: 2, ok: 5 });
  // The first lane answers until nothing waits.
  assert.deepEqual(
    ended.filter(({ outcome }) => outcome === 'ok').map(({ number }) => number),
    [1, 3, 4, 5, 2],
  );
});

test('what is not answered in time is given up, its lane is closed, and what waited goes on', async () => {
  const { dispatcher: one, clock, lanes, ended, submit } = dispatcher({ lanesPerServer: 1 });
  one.add(first);
  submit();
  await clock.advance(5_000);
  submit();
  await clock.advance(5_100);
  assert.deepEqual(countOutcomes(ended), { timeout: 1 });
  assert.equal(lanes.all[0]?.isClosed, true);
  assert.equal(lanes.busy().length, 1);
  await clock.advance(5_000);
  assert.deepEqual(countOutcomes(ended), { timeout: 2 });
  assert.equal(one.inFlight, 0);
  await one.idle();
});

test('without a server requests wait for one, but not for ever', async () => {
  const { dispatcher: one, clock, lanes, ended, submit } = dispatcher();
  submit(2);
  await clock.advance(10_100);
  assert.deepEqual(countOutcomes(ended), { 'no server': 2 });
  submit(3);
  one.add(first);
  assert.equal(lanes.busy().length, 3);
});

test('a server that cannot be reached gets nothing for a second, unless it is the only one', async () => {
  const { dispatcher: one, clock, lanes, ended, submit } = dispatcher();
  lanes.onOpen = (lane) => {
    if (lane.address.port === 1) queueMicrotask(() => lane.answer('connect'));
  };
  one.add(first);
  one.add(second);
  for (let i = 0; i < 10; i += 1) {
    submit();
    await clock.advance(10);
  }
  assert.deepEqual(countOutcomes(ended), { connect: 1 });
  assert.equal(lanes.busy(2).length, 9);
  await clock.advance(1_000);
  submit();
  await clock.advance(1);
  assert.deepEqual(countOutcomes(ended), { connect: 2 });
  one.remove(second);
  submit();
  await clock.advance(1);
  assert.deepEqual(countOutcomes(ended), { connect: 3 });
});

test('what a removed server has is still answered, and it gets nothing more', async () => {
  const { dispatcher: one, clock, lanes, ended, submit } = dispatcher();
  one.add(first);
  submit(2);
  lanes.busy()[0]?.answer();
  one.remove(first);
  one.remove(first);
  assert.equal(lanes.all.filter(({ isClosed }) => isClosed).length, 1, 'the idle lane is closed');
  submit();
  assert.equal(lanes.busy().length, 1);
  lanes.busy()[0]?.answer('ok', 'vm-9');
  assert.deepEqual(
    ended.map(({ outcome, server }) => [outcome, server]),
    [
      ['ok', 'vm-0'],
      ['ok', 'vm-9'],
    ],
  );
  await clock.advance(200);
  one.add(second);
  assert.equal(lanes.busy(2).length, 1);
});

test('a stale connection is no failure: the request is sent once more if that may be', () => {
  for (const [canRepeat, outcomes] of [
    [true, { ok: 1 }],
    [false, { reset: 1 }],
  ] as const) {
    const { dispatcher: one, lanes, ended, submit } = dispatcher({ canRepeat });
    one.add(first);
    submit();
    lanes.busy()[0]?.answer('stale');
    lanes.busy()[0]?.answer('ok');
    assert.deepEqual(countOutcomes(ended), outcomes);
  }
  const { dispatcher: one, lanes, ended, submit } = dispatcher();
  one.add(first);
  submit(2);
  lanes.busy()[0]?.answer('ok');
  lanes.busy()[0]?.answer('stale');
  assert.equal(lanes.all.length, 3, 'the idle connection may be as stale');
  lanes.busy()[0]?.answer('stale');
  assert.deepEqual(countOutcomes(ended), { ok: 1, reset: 1 });
});

test('an idle lane that vanishes or is too old is not used again', async () => {
  const { dispatcher: one, clock, lanes, submit } = dispatcher({ laneAgeMs: 5_000 });
  one.add(first);
  submit();
  lanes.busy()[0]?.answer();
  lanes.all[0]?.vanish();
  submit();
  assert.equal(lanes.all.length, 2);
  lanes.busy()[0]?.answer();
  await clock.advance(5_200);
  assert.equal(lanes.all[1]?.isClosed, true);
  submit();
  assert.equal(lanes.all.length, 3);
});

test('a server that is named anew keeps its lanes; there is a limit to how many there are', () => {
  const { dispatcher: one, lanes, submit, ended } = dispatcher();
  one.add(first);
  submit();
  one.add({ ...first, name: 'default-0007' });
  lanes.busy()[0]?.answer();
  assert.deepEqual(
    ended.map(({ server }) => server),
    ['default-0007'],
  );
  for (let i = 1; i < mostServers; i += 1) one.add({ name: '', host: '127.0.0.1', port: 100 + i });
  assert.throws(
    () => one.add({ name: '', host: '127.0.0.1', port: 50 }),
    (error) => hasCode(error, 'exhausted'),
  );
});

test('closed: nothing is heard of any more', async () => {
  const { dispatcher: one, clock, lanes, ended, submit } = dispatcher();
  one.add(first);
  submit(3);
  one.close();
  assert.ok(lanes.all.every(({ isClosed }) => isClosed));
  await clock.advance(20_000);
  assert.equal(ended.length, 0);
  assert.equal(clock.waiting, 0);
});
