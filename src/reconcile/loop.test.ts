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

test('an error of a step is told and the loop goes on', async () => {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const step = async (): Promise<void> => {
    throw new Error('no');
  };
  const loop = startLoop({ name: 't', clock, periodMs: 100, step, onError: (error) => errors.push(error) });
  await settled();
  await clock.advance(100);
  await settled();
  assert.equal(errors.length, 2);
  await loop.stop();
});
