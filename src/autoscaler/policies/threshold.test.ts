import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolSnapshot } from '../../domain/scaling.ts';
import { poolSnapshot, sampledVm, sampledVms } from '../../fake/scaling.ts';
import { plan } from '../plan.ts';
import { parsePolicies, policiesNamed } from '../presets.ts';

const nowMs = 1_780_000_000_000;
const decide = (name: string, snapshot: PoolSnapshot) => plan(snapshot, policiesNamed([name]), nowMs);

test('mean30-80 and mean30-90: the mean of 30 s above the limit grows', () => {
  for (const [name, limit] of [
    ['mean30-80', 0.8],
    ['mean30-90', 0.9],
  ] as const) {
    assert.equal(decide(name, poolSnapshot(sampledVms(3, nowMs, limit + 0.01))).desired, 4);
    assert.equal(decide(name, poolSnapshot(sampledVms(3, nowMs, limit))).desired, 3);
    const peak = [...new Array(20).fill(0.3), ...new Array(10).fill(1)];
    const spike = decide(name, poolSnapshot([sampledVm('a', nowMs, peak), sampledVm('b', nowMs, peak)]));
    assert.equal(spike.desired, 2, 'ten seconds of full use are no mean of thirty');
    assert.equal(spike.recommendations[0]?.reason.code, 'WithinThresholds');
  }
});

test('mean30-80: shrinks when one VM fewer would still be under the limit', () => {
  assert.equal(decide('mean30-80', poolSnapshot(sampledVms(4, nowMs, 0.59))).desired, 3);
  assert.equal(decide('mean30-80', poolSnapshot(sampledVms(4, nowMs, 0.61))).desired, 4);
  assert.equal(decide('mean30-80', poolSnapshot(sampledVms(1, nowMs, 0))).desired, 1, 'the last one stays');
  const memory = { recommendations: [], lastOutAtMs: null, lastInAtMs: nowMs - 29_000 };
  const soon = poolSnapshot(sampledVms(4, nowMs, 0.1), { memory });
  assert.equal(decide('mean30-80', soon).desired, 4, 'the window begins anew after a change');
});

test('spike3-75: three seconds above 75 %, and it never shrinks', () => {
  const of = (...cpus: number[]) => decide('spike3-75', poolSnapshot([sampledVm('a', nowMs, [0.1, ...cpus])])).desired;
  assert.equal(of(0.76, 0.76, 0.76), 2);
  assert.equal(of(0.76, 0.75, 0.76), 1);
  assert.equal(decide('spike3-75', poolSnapshot(sampledVms(5, nowMs, 0))).desired, 5);
});

test('window5-80-35: five seconds all at 80 % or more grow, all at 35 % or less shrink', () => {
  const of = (...cpus: number[]) => {
    const vms = ['a', 'b'].map((name) => sampledVm(name, nowMs, [0.5, ...cpus]));
    return decide('window5-80-35', poolSnapshot(vms)).desired;
  };
  assert.equal(of(0.8, 0.8, 0.8, 0.9, 0.8), 3);
  assert.equal(of(0.8, 0.8, 0.79, 0.9, 0.8), 2);
  assert.equal(of(0.35, 0.2, 0.35, 0.1, 0.35), 1);
  assert.equal(of(0.35, 0.2, 0.36, 0.1, 0.35), 2);
});

test('VMs on their way count as granted, and their CPU triggers nothing', () => {
  const booting = sampledVm('b', nowMs, new Array(60).fill(1), { state: 'booting' });
  const idle = decide('mean30-80', poolSnapshot([...sampledVms(2, nowMs, 0.5), booting]));
  assert.equal(idle.desired, 3);
  assert.equal(idle.action, 'none');
  const full = decide('mean30-80', poolSnapshot([...sampledVms(2, nowMs, 0.95), booting]));
  assert.equal(full.desired, 3);
  assert.equal(full.recommendations[0]?.reason.code, 'AlreadyGrowing');
  for (const state of ['draining', 'warm', 'failed'] as const) {
    const other = sampledVm('c', nowMs, new Array(60).fill(0), { state });
    assert.equal(decide('mean30-80', poolSnapshot([...sampledVms(2, nowMs, 0.85), other], { desired: 2 })).desired, 3);
  }
});

test('a missing VM counts as idle for growing, and the pool does not shrink meanwhile', () => {
  const blind = sampledVm('blind', nowMs, []);
  assert.equal(decide('mean30-80', poolSnapshot([...sampledVms(3, nowMs, 1), blind])).desired, 4);
  assert.equal(decide('mean30-80', poolSnapshot([...sampledVms(9, nowMs, 1), blind])).desired, 11);
  const held = decide('mean30-80', poolSnapshot([...sampledVms(3, nowMs, 0.45), blind]));
  assert.deepEqual([held.desired, held.recommendations[0]?.reason.code], [4, 'MissingMetrics']);
  const young = sampledVm('young', nowMs, [], { stateSinceMs: nowMs - 2_000 });
  assert.equal(
    decide('mean30-80', poolSnapshot([...sampledVms(3, nowMs, 0.45), young])).desired,
    3,
    'it counts as full',
  );
  const stale = sampledVms(3, nowMs - 60_000, 0.1);
  for (const name of ['mean30-80', 'mean30-90', 'window5-80-35']) {
    assert.equal(decide(name, poolSnapshot(stale)).desired, 3);
  }
});

test('steps by share of the pool, and by the queue once CPU is used up', () => {
  const rule = { test: 'mean', windowMs: 30_000, cpu: 0.8 };
  const [byShare] = parsePolicies([{ kind: 'threshold', out: { ...rule, stepPercent: 50 }, in: null }]);
  assert.ok(byShare);
  assert.equal(plan(poolSnapshot(sampledVms(5, nowMs, 0.9)), [byShare], nowMs).desired, 8);
  const backlog = { waiting: 90, perVm: 1, meanMs: 1_000 };
  assert.equal(decide('mean30-80', poolSnapshot(sampledVms(5, nowMs, 1), { backlog })).desired, 8);
  assert.equal(decide('mean30-80', poolSnapshot(sampledVms(2, nowMs, 1), { backlog })).desired, 4, 'at most doubled');
  assert.equal(decide('mean30-80', poolSnapshot(sampledVms(5, nowMs, 0.9), { backlog })).desired, 6);
});
