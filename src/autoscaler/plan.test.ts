import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyMemory, type PlannerMemory, type PoolSnapshot } from '../domain/scaling.ts';
import { poolSnapshot, sampledVm, sampledVms } from '../fake/scaling.ts';
import { plan } from './plan.ts';
import type { PolicyInput } from './policy.ts';
import { parsePolicies, policiesNamed } from './presets.ts';

const startMs = 1_780_000_000_000;
/** Asks for as many as wait: a policy that says what a test wants. */
const asWaiting: PolicyInput = { kind: 'backlog', name: 'asked', waitingPerVm: 1, stabiliseInMs: 0 };
const asking = (vms: number, fields: Partial<PoolSnapshot> = {}) =>
  poolSnapshot([], { backlog: { waiting: vms, perVm: 1, meanMs: null }, ...fields });

/** Plays wanted sizes a second apart; gives the sizes decided and the limits of the last. */
function play(policy: PolicyInput, wanted: readonly number[], from: number) {
  const policies = parsePolicies([policy]);
  let memory: PlannerMemory = emptyMemory;
  let desired = from;
  let limits: readonly string[] = [];
  const sizes = wanted.map((vms, i) => {
    const decision = plan(asking(vms, { desired, memory }), policies, startMs + i * 1_000);
    memory = decision.memory;
    desired = decision.desired;
    limits = decision.limits.map((limit) => limit.text);
    return desired;
  });
  return { sizes, limits, memory };
}

test('no policies: nothing is decided, but the bounds hold', () => {
  assert.deepEqual(plan(asking(5, { desired: 3 }), [], startMs).action, 'none');
  assert.equal(plan(asking(0, { desired: 9, max: 4 }), [], startMs).desired, 4);
});

test('bounds win over what is wanted, over windows and over cooldowns, and say so', () => {
  const slow = { ...asWaiting, stabiliseInMs: 60_000, cooldownInMs: 60_000, cooldownOutMs: 60_000 };
  const policies = parsePolicies([slow]);
  const high = plan(asking(9, { desired: 3, min: 1, max: 4 }), policies, startMs);
  assert.equal(high.desired, 4);
  assert.deepEqual(
    high.limits.map((limit) => limit.text),
    ['ScalingLimited: at max 4 (wanted 9)'],
  );
  const memory = { ...emptyMemory, lastOutAtMs: startMs, lastInAtMs: startMs };
  assert.equal(plan(asking(0, { desired: 9, min: 2, max: 4, memory }), policies, startMs).desired, 4);
  assert.equal(plan(asking(0, { desired: 0, min: 2, memory }), policies, startMs).desired, 2);
});

test('shrinking takes the most of its window, and says how far it is', () => {
  const { sizes, limits } = play({ ...asWaiting, stabiliseInMs: 5_000 }, [4, 2, 2, 2, 2], 4);
  assert.deepEqual(sizes, [4, 4, 4, 4, 4]);
  assert.deepEqual(limits, ['Stabilising: 4 s of 5 s (asked wants 2)']);
  assert.deepEqual(
    play({ ...asWaiting, stabiliseInMs: 5_000 }, [4, 2, 3, 2, 2, 2, 2, 2], 4).sizes.slice(-3),
    [3, 3, 2],
  );
});

test('growing takes the least of its window', () => {
  const { sizes } = play({ ...asWaiting, stabiliseOutMs: 3_000 }, [2, 5, 6, 6, 6, 6], 2);
  assert.deepEqual(sizes, [2, 2, 2, 5, 6, 6]);
});

test('cooldowns: growth waits for the last growth, shrinking for either', () => {
  const grown = play({ ...asWaiting, cooldownOutMs: 3_000 }, [3, 4, 5, 6, 7], 2);
  assert.deepEqual(grown.sizes, [3, 3, 3, 6, 6]);
  assert.deepEqual(grown.limits, ['CoolingDown: 1 s of 3 s (asked wants 7)']);
  assert.deepEqual(play({ ...asWaiting, cooldownInMs: 3_000 }, [3, 1, 1, 1, 1], 2).sizes, [3, 3, 3, 1, 1]);
  assert.deepEqual(play({ ...asWaiting, cooldownInMs: 3_000 }, [1, 4, 4, 1, 1, 1], 2).sizes, [1, 4, 4, 4, 1, 1]);
});

test('several policies: the largest wins, and shrinking needs all', () => {
  const policies = [...policiesNamed(['mean30-80']), ...parsePolicies([asWaiting])];
  const idle = sampledVms(4, startMs, 0.1);
  const decide = (waiting: number, vms = idle) =>
    plan(poolSnapshot(vms, { backlog: { waiting, perVm: 1, meanMs: null } }), policies, startMs);
  assert.equal(decide(0).desired, 3);
  assert.equal(decide(4).desired, 4);
  assert.equal(decide(7).desired, 7);
  assert.equal(decide(7).recommendations[0]?.policy, 'asked');
  assert.equal(decide(0, sampledVms(4, startMs, 0.9)).desired, 5);
  const blind = [...sampledVms(3, startMs, 0.5), sampledVm('blind', startMs, [])];
  assert.equal(decide(0, blind).desired, 4, 'missing metrics of one policy hold all');
});

test('doing nothing is explained too', () => {
  const decision = plan(poolSnapshot(sampledVms(3, startMs, 0.8)), policiesNamed(['target']), startMs);
  assert.equal(decision.action, 'none');
  assert.equal(decision.recommendations[0]?.reason.text, 'CPU is 1 of the target 80 %, within 10 %');
  assert.equal(decision.recommendations[0]?.reason.numbers.ratio, 1);
});

test('a pool at zero gets its first VM when work waits', () => {
  const snapshot = asking(3, { desired: 0 });
  const decision = plan(snapshot, policiesNamed(['target']), startMs);
  assert.equal(decision.desired, 1);
  assert.deepEqual(
    decision.limits.map((limit) => limit.code),
    ['WorkWaits'],
  );
});

test('a clock that was set back begins windows anew, and they end', () => {
  const policies = parsePolicies([{ ...asWaiting, stabiliseInMs: 5_000, cooldownInMs: 5_000 }]);
  let memory = plan(asking(4, { desired: 3 }), policies, startMs + 3_600_000).memory;
  const sizes = [0, 1, 2, 3, 4, 5].map((second) => {
    const decision = plan(asking(1, { desired: 4, memory }), policies, startMs + second * 1_000);
    memory = decision.memory;
    return decision.desired;
  });
  assert.deepEqual(sizes, [4, 4, 4, 4, 4, 1]);
});

test('the memory is bounded by the windows', () => {
  const { memory } = play(
    { ...asWaiting, stabiliseInMs: 5_000 },
    Array.from({ length: 100 }, (_, i) => i % 7),
    0,
  );
  assert.ok(memory.recommendations.length <= 6);
  assert.equal(
    play({ ...asWaiting, stabiliseInMs: 60_000 }, new Array(50).fill(3), 3).memory.recommendations.length,
    1,
  );
});
