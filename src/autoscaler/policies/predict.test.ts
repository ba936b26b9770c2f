import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadsUntil, poolSnapshot, sampledVms } from '../../fake/scaling.ts';
import { policiesNamed } from '../presets.ts';
import { predict } from './predict.ts';

const nowMs = 1_780_000_000_000;
const [policy] = policiesNamed(['predict']);
assert.ok(policy?.kind === 'predict');
const decide = (loads: readonly number[], desired = 3, bootMs: number | null = 30_000) => {
  const snapshot = poolSnapshot(sampledVms(desired, nowMs, 0.5), { loads: loadsUntil(nowMs, loads), bootMs });
  return predict(policy, snapshot, nowMs);
};
const steps = (count: number, at: (i: number) => number) => Array.from({ length: count }, (_, i) => at(i));

test('works from the first sample', () => {
  assert.equal(decide([2.1]).desired, 3);
  assert.equal(decide([5.5, 5.5, 5.5], 1).desired, 6);
});

test('a clear trend is followed as far as a launch takes', () => {
  const rising = steps(200, (i) => 2 + i * 0.02);
  const { desired, reason } = decide(rising);
  assert.equal(reason.code, 'LoadExpected');
  assert.equal(desired, 7, 'load 5.98 now, 6.6 in 31 s');
  assert.equal(decide(rising, 3, 200_000).desired, 11);
  assert.equal(decide(steps(200, (i) => 6 - i * 0.02)).reason.code, 'LoadNow', 'falling is not run ahead of');
});

test('noise is covered, not followed, and a single step is not a trend', () => {
  // A fixed pseudo-random sequence between -1 and 1.
  const noise = (i: number) => (Math.imul(i + 1, 2_654_435_761) >>> 0) / 2 ** 31 - 1;
  const noisy = decide(steps(300, (i) => 8 + noise(i)));
  assert.ok(noisy.desired >= 9 && noisy.desired <= 11, `${noisy.desired}`);
  assert.equal(decide(steps(300, (i) => (i < 290 ? 3 : 6))).desired, 7, 'the step itself is, at once');
  assert.equal(
    decide(
      steps(300, (i) => (i < 295 ? 6 : 3)),
      7,
    ).desired,
    4,
  );
});

test('without recent loads the pool stays', () => {
  const stale = poolSnapshot(sampledVms(4, nowMs, 0), { loads: loadsUntil(nowMs - 10_000, [1, 1, 1]) });
  assert.deepEqual(predict(policy, stale, nowMs).reason.code, 'MissingLoad');
  assert.equal(predict(policy, stale, nowMs).desired, 4);
  assert.equal(decide([]).desired, 3);
});
