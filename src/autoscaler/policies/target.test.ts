import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyMemory, type PoolSnapshot } from '../../domain/scaling.ts';
import { poolSnapshot, sampledVm, sampledVms } from '../../fake/scaling.ts';
import { parsePolicies } from '../presets.ts';
import { target } from './target.ts';

const nowMs = 1_780_000_000_000;
const [policy] = parsePolicies([{ kind: 'target', name: 'half', cpu: 0.5 }]);
assert.ok(policy?.kind === 'target');
const decide = (snapshot: PoolSnapshot) => {
  const { desired, reason } = target(policy, snapshot, nowMs);
  return [desired, reason.code];
};
const blind = (count: number) => Array.from({ length: count }, (_, i) => sampledVm(`blind-${i}`, nowMs, []));
const booting = (count: number) =>
  Array.from({ length: count }, (_, i) => sampledVm(`new-${i}`, nowMs, [1, 1], { state: 'booting' }));

// Cases after kubernetes replica_calculator_test.go, with a target of 50 %.
test('ratio and tolerance', () => {
  assert.deepEqual(decide(poolSnapshot(sampledVms(3, nowMs, 0.8))), [5, 'RatioToTarget']);
  assert.deepEqual(decide(poolSnapshot(sampledVms(3, nowMs, 0.54))), [3, 'WithinTolerance']);
  assert.deepEqual(decide(poolSnapshot(sampledVms(3, nowMs, 0.46))), [3, 'WithinTolerance']);
  assert.deepEqual(decide(poolSnapshot(sampledVms(5, nowMs, 0.28))), [3, 'RatioToTarget']);
  assert.deepEqual(decide(poolSnapshot(sampledVms(4, nowMs, 0.75))), [6, 'RatioToTarget']);
});

test('unready VMs are left out, and count as idle when growing', () => {
  assert.deepEqual(decide(poolSnapshot([...sampledVms(2, nowMs, 0.5), ...booting(3)])), [5, 'WithinTolerance']);
  // 2 at 90 % of 3 with one unready: (0.9 + 0.9 + 0) / 3 / 0.5 = 1.2.
  assert.deepEqual(decide(poolSnapshot([...sampledVms(2, nowMs, 0.9), ...booting(1)])), [4, 'RatioToTarget']);
  assert.deepEqual(decide(poolSnapshot([...sampledVms(2, nowMs, 0.8), ...booting(1)])), [3, 'WithinTolerance']);
  assert.deepEqual(decide(poolSnapshot([...sampledVms(2, nowMs, 0.7), ...booting(2)])), [4, 'WouldTurnRound']);
  const young = sampledVm('young', nowMs, [0.1, 0.1], { stateSinceMs: nowMs - 14_000 });
  assert.deepEqual(decide(poolSnapshot([...sampledVms(2, nowMs, 0.5), young])), [3, 'WithinTolerance']);
});

test('missing VMs count as full when shrinking and as idle when growing', () => {
  // (3 * 0.2 + 1) / 4 / 0.5 = 0.8 of 4.
  assert.deepEqual(decide(poolSnapshot([...sampledVms(3, nowMs, 0.2), ...blind(1)])), [4, 'RatioToTarget']);
  assert.deepEqual(decide(poolSnapshot([...sampledVms(3, nowMs, 0.3), ...blind(1)])), [4, 'WithinTolerance']);
  assert.deepEqual(decide(poolSnapshot([...sampledVms(2, nowMs, 0.3), ...blind(2)])), [4, 'WouldTurnRound']);
  assert.deepEqual(decide(poolSnapshot([...sampledVms(3, nowMs, 0.9), ...blind(1)])), [6, 'RatioToTarget']);
  assert.deepEqual(decide(poolSnapshot([...sampledVms(1, nowMs, 0.9), ...blind(3)])), [4, 'WouldTurnRound']);
  assert.deepEqual(decide(poolSnapshot(blind(3))), [3, 'MissingMetrics']);
  assert.deepEqual(decide(poolSnapshot([])), [0, 'MissingMetrics']);
});

test('draining, paused and failed VMs do not count', () => {
  for (const state of ['draining', 'stopping', 'failed', 'warm'] as const) {
    const other = sampledVm('other', nowMs, new Array(60).fill(0), { state });
    assert.deepEqual(decide(poolSnapshot([...sampledVms(3, nowMs, 0.8), other], { desired: 3 })), [5, 'RatioToTarget']);
  }
});

test('no more than twice as many at once, as in calculateScaleUpLimit', () => {
  const [low] = parsePolicies([{ kind: 'target', name: 'low', cpu: 0.1 }]);
  assert.ok(low?.kind === 'target');
  const { desired, reason } = target(low, poolSnapshot(sampledVms(5, nowMs, 1), { memory: emptyMemory }), nowMs);
  assert.deepEqual([desired, reason.code], [10, 'ScaleUpLimit']);
  assert.equal(target(low, poolSnapshot(sampledVms(1, nowMs, 1)), nowMs).desired, 4);
});
