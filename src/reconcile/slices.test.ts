import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../fake/clock.ts';
import { atOnce, inSlices } from './slices.ts';

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
