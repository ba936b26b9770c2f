import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../fake/clock.ts';
import { startLoop } from './loop.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('it runs at once, then after each period, and again soon when woken', async () => {
  const clock = new FakeClock();
  let runs = 0;
  const step = async (): Promise<void> => {
    runs += 1;
  };
  const loop = startLoop({ name: 't', clock, periodMs: 100, step, onError: assert.fail });
  await settled();
  assert.equal(runs, 1);
  await clock.advance(99);
  assert.equal(runs, 1);
  await clock.advance(1);
  await settled();
  assert.equal(runs, 2);
  loop.wake();
  loop.wake();
  await settled();
  assert.equal(runs, 3);
  await loop.stop();
  await clock.advance(1_000);
  assert.equal(runs, 3);
});

test('runs never overlap; wakes during a run make one more', async () => {
  const clock = new FakeClock();
  let running = 0;
  let runs = 0;
  let release: () => void = () => undefined;
  const step = async (): Promise<void> => {
    runs += 1;
    running += 1;
    assert.equal(running, 1);
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    running -= 1;
  };
  const loop = startLoop({ name: 't', clock, periodMs: 100, step, onError: assert.fail });
  await settled();
  for (let i = 0; i < 5; i += 1) loop.wake();
  release();
  await settled();
  assert.equal(runs, 2);
  release();
  await settled();
  assert.equal(runs, 2);
  const stopped = loop.stop();
  release();
  await stopped;
});

/** A loop whose step fails while `isSick`, with the times at which it ran. */
function sickLoop(periodMs: number) {
  const clock = new FakeClock();
  const runsAtMs: number[] = [];
  const errors: unknown[] = [];
  const world = { isSick: true };
  const startMs = clock.uptimeMs();
  const step = async (): Promise<void> => {
    runsAtMs.push(clock.uptimeMs() - startMs);
    if (world.isSick) throw new Error('no');
  };
  const loop = startLoop({ name: 't', clock, periodMs, step, onError: (error) => errors.push(error) });
  return { clock, runsAtMs, errors, world, loop };
}

test('each error of a step is reported, and the loop goes on', async () => {
  const { clock, errors, loop } = sickLoop(100);
  await settled();
  await clock.advance(1_300);
  await settled();
  assert.equal(errors.length, 2);
  await loop.stop();
});

test('a step that fails does not run again at once, however often it is woken', async () => {
  const { clock, runsAtMs, world, loop } = sickLoop(1_000);
  await settled();
  for (let i = 0; i < 1_000; i += 1) {
    loop.wake();
    await clock.advance(10);
  }
  // In 10 s: at 0, and after pauses of 1, 2, 2, 2 ... s with their jitter.
  assert.ok(runsAtMs.length >= 4 && runsAtMs.length <= 8, `it ran at ${runsAtMs}`);
  assert.ok((runsAtMs[1] ?? 0) >= 800, `it ran at ${runsAtMs}`);
  world.isSick = false;
  await clock.advance(12_000);
  const before = runsAtMs.length;
  loop.wake();
  await settled();
  assert.equal(runsAtMs.length, before + 1, 'when it is well again a wake-up takes effect at once');
  await loop.stop();
});

test('a step that wakes its own loop and fails makes no storm; what woke it is not forgotten', async () => {
  const clock = new FakeClock();
  let runs = 0;
  const loop = startLoop({
    ...{ name: 't', clock, periodMs: 60_000 },
    step: async () => {
      runs += 1;
      await Promise.resolve();
      if (runs < 3) loop.wake();
      if (runs === 1) throw new Error('no');
    },
    onError: () => undefined,
  });
  await settled();
  assert.equal(runs, 1);
  await clock.advance(700);
  assert.equal(runs, 1);
  await clock.advance(600);
  assert.equal(runs, 3, 'it was woken while it rested, so it does not wait for its period');
  await loop.stop();
});

test('a loop that rests after an error can be stopped at once', async () => {
  const { runsAtMs, loop } = sickLoop(1_000);
  await settled();
  await loop.stop();
  assert.equal(runsAtMs.length, 1);
});

test('a loop that rests is woken all the time and takes half of the time', async () => {
  const clock = new FakeClock();
  const beganAtMs: number[] = [];
  const startedAtMs = clock.uptimeMs();
  const loop = startLoop({
    ...{ name: 't', clock, periodMs: 1_000, mostRestMs: 50, onError: assert.fail },
    step: async () => {
      const lengthMs = beganAtMs.length < 3 ? 20 : 100;
      beganAtMs.push(clock.uptimeMs() - startedAtMs);
      await clock.sleep(lengthMs);
      loop.wake();
    },
  });
  await clock.advance(450);
  assert.deepEqual(beganAtMs, [0, 40, 80, 120, 270, 420]);
  const stopped = loop.stop();
  await clock.advance(100);
  await stopped;
});

test('a loop that its own steps wake takes 20 steps at once, then one each gap, and is quick again after a rest', async () => {
  const clock = new FakeClock();
  let runs = 0;
  let isSpinning = true;
  const step = async (): Promise<void> => {
    runs += 1;
    await Promise.resolve();
    if (isSpinning) loop.wake();
  };
  const loop = startLoop({ name: 't', clock, periodMs: 10_000, leastGapMs: 50, step, onError: assert.fail });
  for (let i = 0; i < 200; i += 1) await settled();
  assert.equal(runs, 20);
  for (let i = 0; i < 20; i += 1) await clock.advance(50);
  await settled();
  assert.ok(runs >= 39 && runs <= 41, `${runs} steps within a second`);
  isSpinning = false;
  for (let i = 0; i < 40; i += 1) await clock.advance(50);
  const before = runs;
  loop.wake();
  await settled();
  assert.equal(runs, before + 1, 'the first reaction comes at once');
  await loop.stop();
});
