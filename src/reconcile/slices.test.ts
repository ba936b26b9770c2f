import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../fake/clock.ts';
import { atOnce, inSlices, sliced } from './slices.ts';

/** Work of 10 steps, each of which takes some milliseconds of the clock. */
function* counting(clock: FakeClock, stepMs: number, seen: string[]): Generator<void, string> {
  for (let step = 0; step < 10; step += 1) {
    clock.freeze(stepMs);
    seen.push(`step ${step}`);
    yield;
  }
  return 'all';
}

test('long work lets others go on between its slices', async () => {
  const clock = new FakeClock();
  const seen: string[] = [];
  const result = inSlices(clock, counting(clock, 4, seen));
  clock.after(0, () => seen.push('another'));
  await clock.advance(100);
  assert.equal(await result, 'all');
  assert.equal(seen.length, 11);
  assert.deepEqual(seen.slice(0, 5), ['step 0', 'step 1', 'step 2', 'step 3', 'another']);
});

test('short work ends without a pause', async () => {
  const clock = new FakeClock();
  assert.equal(await inSlices(clock, counting(clock, 0, [])), 'all');
  assert.equal(atOnce(counting(clock, 0, [])), 'all');
});

test('values that take long to use let others go on between them', async () => {
  const clock = new FakeClock();
  const seen: (number | string)[] = [];
  const all = (async () => {
    for await (const value of sliced(clock, [1, 2, 3, 4, 5])) {
      seen.push(value);
      clock.freeze(4);
    }
  })();
  clock.after(0, () => seen.push('another'));
  await clock.advance(100);
  await all;
  assert.deepEqual(seen, [1, 2, 'another', 3, 4, 5]);
});
