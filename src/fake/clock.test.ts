import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../domain/errors.ts';
import { FakeClock } from './clock.ts';

test('time stands still until it is advanced', async () => {
  const clock = new FakeClock(1000);
  assert.equal(clock.now(), 1000);
  let slept = false;
  void clock.sleep(50).then(() => {
    slept = true;
  });
  await clock.advance(49);
  assert.equal(slept, false);
  await clock.advance(1);
  assert.equal(slept, true);
  assert.equal(clock.now(), 1050);
});

test('timers fire in order of time, then in the order in which they were set, each at its own time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 }), async (delays) => {
      const clock = new FakeClock(0);
      const fired: { delay: number; index: number; at: number }[] = [];
      delays.forEach((delay, index) => {
        clock.after(delay, () => fired.push({ delay, index, at: clock.now() }));
      });
      await clock.advance(20);
      const expected = delays.map((delay, index) => ({ delay, index, at: delay }));
      expected.sort((a, b) => a.delay - b.delay || a.index - b.index);
      assert.deepEqual(fired, expected);
    }),
    { numRuns: 50 },
  );
});

test('a timer set by a timer fires in the same advance when it falls due in it', async () => {
  const clock = new FakeClock(0);
  const at: number[] = [];
  const tick = () => {
    at.push(clock.now());
    clock.after(10, tick);
  };
  clock.after(10, tick);
  await clock.advance(35);
  assert.deepEqual(at, [10, 20, 30]);
  assert.equal(clock.waiting, 1);
});

test('a loop that sleeps sees each step', async () => {
  const clock = new FakeClock(0);
  const at: number[] = [];
  void (async () => {
    for (let i = 0; i < 3; i += 1) {
      await clock.sleep(100);
      at.push(clock.now());
    }
  })();
  await clock.advance(1000);
  assert.deepEqual(at, [100, 200, 300]);
});

test('time is skipped only while no timer is due', async () => {
  const clock = new FakeClock(0);
  clock.after(100, () => undefined);
  assert.equal(clock.skip(99), true);
  assert.equal(clock.now(), 99);
  assert.equal(clock.skip(1), false);
  assert.equal(clock.now(), 99);
  await clock.advance(1);
  assert.equal(clock.skip(10_000), true);
  assert.equal(clock.now(), 10_100);
});

test('cancelled timers do not fire; an aborted sleep rejects and leaves no timer', async () => {
  const clock = new FakeClock();
  clock.after(5, () => assert.fail('fired'))();
  const giveUp = new AbortController();
  const wait = clock.sleep(5, giveUp.signal);
  giveUp.abort();
  await assert.rejects(wait, (error) => hasCode(error, 'aborted'));
  await assert.rejects(clock.sleep(5, giveUp.signal), (error) => hasCode(error, 'aborted'));
  assert.equal(clock.waiting, 0);
  await clock.advance(10);
});

test('a clock that is set moves the date and neither the steady time nor a timer', async () => {
  const clock = new FakeClock(1_000);
  let fired = 0;
  clock.after(100, () => {
    fired += 1;
  });
  const uptimeMs = clock.uptimeMs();
  clock.jump(-3_600_000);
  assert.equal(clock.now(), 1_000 - 3_600_000);
  assert.equal(clock.uptimeMs(), uptimeMs);
  await clock.advance(99);
  assert.equal(fired, 0);
  await clock.advance(1);
  assert.equal(fired, 1);
});

test('what falls due while the process stands still fires late, in its order', async () => {
  const clock = new FakeClock(0);
  const fired: string[] = [];
  clock.after(200, () => fired.push(`second at ${clock.now()}`));
  clock.after(100, () => fired.push(`first at ${clock.now()}`));
  clock.freeze(1_000);
  assert.deepEqual(fired, []);
  await clock.advance(50);
  assert.deepEqual(fired, ['first at 1000', 'second at 1000']);
  assert.equal(clock.now(), 1_050);
});
