import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../fake/clock.ts';
import { Buckets } from './buckets.ts';

const size = { burst: 3, refillMs: 1_000, maxKeys: 5 };

test('a burst is allowed, then one try for each refill', async () => {
  const clock = new FakeClock();
  const buckets = new Buckets(size, clock);
  for (let i = 0; i < 3; i += 1) {
    assert.equal(buckets.waitMs('a'), 0);
    buckets.take('a');
  }
  assert.equal(buckets.waitMs('a'), 1_000);
  assert.equal(buckets.waitMs('b'), 0, 'another key has its own');
  await clock.advance(400);
  assert.equal(buckets.waitMs('a'), 600);
  await clock.advance(600);
  assert.equal(buckets.waitMs('a'), 0);
  buckets.take('a');
  assert.equal(buckets.waitMs('a'), 1_000);
});

test('what is given back or refilled leaves nothing behind', async () => {
  const clock = new FakeClock();
  const buckets = new Buckets(size, clock);
  buckets.take('a');
  buckets.giveBack('a');
  assert.equal(buckets.keys, 0);
  buckets.giveBack('a');
  for (let i = 0; i < 3; i += 1) buckets.take('a');
  assert.ok(buckets.waitMs('a') > 0, 'giving back too much does not add up');
});

test('the number of keys is bounded, and a clock that is set back refills nothing', () => {
  let nowMs = 1_000_000;
  const clock = Object.assign(new FakeClock(), { now: () => nowMs });
  const buckets = new Buckets(size, clock);
  for (let i = 0; i < 100; i += 1) buckets.take(`key ${i}`);
  assert.equal(buckets.keys, 5);
  for (let i = 0; i < 3; i += 1) buckets.take('a');
  nowMs = 0;
  assert.equal(buckets.waitMs('a'), 1_000);
});

test('in no stretch of time are there more tries than the burst and the refills', async () => {
  const steps = fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(steps, async (pauses) => {
      const clock = new FakeClock();
      const startMs = clock.now();
      const buckets = new Buckets(size, clock);
      let tries = 0;
      for (const pause of pauses) {
        await clock.advance(pause);
        if (buckets.waitMs('a') > 0) continue;
        buckets.take('a');
        tries += 1;
      }
      assert.ok(tries <= size.burst + (clock.now() - startMs) / size.refillMs + 1e-6);
    }),
    { numRuns: 50 },
  );
});
