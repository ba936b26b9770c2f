import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balancedLane, followedLane, type Lane, type LaneWish, unseenLane, wishedLanes } from './lane.ts';

const place = { vm: 'fib-0000', host: '127.0.0.1', port: 9_000, slot: 0 as const };
const wish = (fields: Partial<LaneWish> = {}): LaneWish => {
  return { ...place, number: 1, state: 'serving', reportedInFlight: 3, ...fields };
};
const lane = (fields: Partial<Lane> = {}): Lane => {
  return {
    ...place,
    number: 1,
    state: 'serving',
    sinceMs: 0,
    traffic: 'open',
    trafficSinceMs: 0,
    inFlight: 0,
    ...fields,
  };
};
const traffic = ({ traffic: what, trafficSinceMs }: Lane) => `${what} since ${trafficSinceMs}`;

test('a lane that is wished on keeps its times; another revision in the slot is another lane', () => {
  const [kept] = wishedLanes([lane()], [wish()], 50);
  assert.deepEqual([kept?.sinceMs, kept?.traffic, kept?.inFlight], [0, 'open', 3]);
  const [drained] = wishedLanes([lane()], [wish({ state: 'draining' })], 50);
  assert.deepEqual([drained?.sinceMs, drained?.state], [50, 'draining']);
  const [next] = wishedLanes([lane()], [wish({ number: 2 })], 50);
  assert.deepEqual([next?.sinceMs, next?.traffic], [50, 'opening']);
  assert.equal(wishedLanes([], [wish({ state: 'draining' })], 50)[0]?.traffic, 'closing');
});

test('the balancer says whether a lane is open, and when nothing is left on one that drains', () => {
  const draining = lane({ state: 'draining', traffic: 'closing' });
  assert.equal(traffic(balancedLane(lane(), { isUp: true, inFlight: 2 }, 9)), 'open since 0');
  assert.equal(traffic(balancedLane(lane(), { isUp: false, inFlight: 2 }, 9)), 'opening since 9');
  assert.equal(traffic(balancedLane(lane(), undefined, 9)), 'opening since 9');
  assert.equal(traffic(balancedLane(draining, { isUp: true, inFlight: 1 }, 9)), 'closing since 0');
  assert.equal(traffic(balancedLane(draining, { isUp: true, inFlight: 0 }, 9)), 'closed since 9');
  assert.equal(traffic(balancedLane(draining, undefined, 9)), 'closed since 9');
});

test('without an answer of the balancer nothing opens or closes', () => {
  assert.equal(traffic(unseenLane(lane(), 9)), 'open since 0');
  assert.equal(traffic(unseenLane(lane({ traffic: 'closed' }), 9)), 'opening since 9');
  assert.equal(traffic(unseenLane(lane({ state: 'draining', traffic: 'open' }), 9)), 'closing since 9');
  assert.equal(traffic(unseenLane(lane({ state: 'draining', traffic: 'closed' }), 9)), 'closed since 0');
});

test('a lane that clients follow is closed when they have learnt of it and the VM has done its work', () => {
  const gone = (inFlight: number | null, nowMs: number) =>
    followedLane(lane({ state: 'draining', traffic: 'closing', inFlight }), nowMs).traffic;
  assert.equal(followedLane(lane({ traffic: 'opening' }), 9).traffic, 'open');
  assert.deepEqual([gone(0, 1_999), gone(0, 2_000), gone(1, 60_000)], ['closing', 'closed', 'closing']);
  assert.deepEqual([gone(null, 9_999), gone(null, 10_000)], ['closing', 'closed']);
});
