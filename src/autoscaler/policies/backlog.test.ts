import assert from 'node:assert/strict';
import { test } from 'node:test';
import { poolSnapshot, sampledVm } from '../../fake/scaling.ts';
import { parsePolicies } from '../presets.ts';
import { backlog } from './backlog.ts';

const nowMs = 1_780_000_000_000;
const [policy] = parsePolicies([{ kind: 'backlog', name: 'queue', waitingPerVm: 4, maxWaitMs: 60_000 }]);
assert.ok(policy?.kind === 'backlog');
const busy = (count: number) =>
  Array.from({ length: count }, (_, i) => sampledVm(`vm-${i}`, nowMs, [], { inFlight: 1 }));
const decide = (running: number, waiting: number, meanMs: number | null, perVm = 1) =>
  backlog(policy, poolSnapshot(busy(running), { backlog: { waiting, perVm, meanMs } })).desired;

test('by number while the length of the work is not known', () => {
  assert.equal(decide(0, 0, null), 0);
  assert.equal(decide(2, 0, null), 2);
  assert.equal(decide(2, 1, null), 3);
  assert.equal(decide(2, 9, null), 5);
});

test('by time once it is', () => {
  assert.equal(decide(2, 10, 1_000), 3, '10 s of work are done within a minute by one');
  assert.equal(decide(2, 10, 60_000), 12);
  assert.equal(decide(0, 10, 30_000, 2), 3, 'two at a time');
});

test('never more than the work could occupy', () => {
  assert.equal(decide(1, 3, 86_400_000), 4);
  assert.equal(decide(4, 3, 86_400_000, 4), 2);
});
