import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../domain/clock.ts';
import { FakeClock } from '../fake/clock.ts';
import { afterListening, Silence } from './lateness.ts';

/** A clock whose process can stand still: time passes and no timer fires. */
function stallingClock() {
  const clock = new FakeClock();
  const state = { stalledMs: 0 };
  const stall = (ms: number): void => {
    state.stalledMs += ms;
  };
  const stalling: Clock = {
    now: () => clock.now() + state.stalledMs,
    uptimeMs: () => clock.uptimeMs() + state.stalledMs,
    sleep: (ms, signal) => clock.sleep(ms, signal),
    after: (ms, fn) => clock.after(ms, fn),
  };
  return { clock, stalling, stall };
}

test('a timer that is on time runs at once', async () => {
  const { clock, stalling } = stallingClock();
  const runs: true[] = [];
  afterListening(stalling, 5_000, () => runs.push(true));
  await clock.advance(4_999);
  assert.equal(runs.length, 0);
  await clock.advance(1);
  assert.equal(runs.length, 1);
});

test('after a stall what came meanwhile is read first, and can cancel the timer', async () => {
  const { clock, stalling, stall } = stallingClock();
  const runs: true[] = [];
  const cancel = afterListening(stalling, 5_000, () => runs.push(true));
  stall(6_000);
  await clock.advance(5_000);
  assert.equal(runs.length, 0);
  await clock.advance(999);
  assert.equal(runs.length, 0);
  cancel();
  await clock.advance(10_000);
  assert.equal(runs.length, 0);
  assert.equal(clock.waiting, 0);
});

test('a process that always lags comes to an end all the same', async () => {
  const { clock, stalling, stall } = stallingClock();
  const runs: true[] = [];
  afterListening(stalling, 2_000, () => runs.push(true));
  for (let second = 0; second < 20; second += 1) {
    stall(600);
    await clock.advance(1_000);
  }
  assert.equal(runs.length, 1);
});

test('only questions that were waited for on time count', () => {
  const silence = new Silence({ pauseMs: 250 });
  for (let i = 0; i < 10; i += 1) {
    assert.equal(silence.missed({ askedAtMs: i * 12_000, nowMs: i * 12_000 + 11_000, limitMs: 5_000 }), false);
  }
  assert.equal(silence.chargedMs, 0);
  assert.equal(silence.missed({ askedAtMs: 120_000, nowMs: 125_001, limitMs: 5_000 }), true);
  assert.equal(silence.chargedMs, 5_001 + 250);
  silence.answered(126_000);
  assert.equal(silence.chargedMs, 0);
});

test('refusals at once count with the pauses between them, and a stall between two questions does not', () => {
  const silence = new Silence({ pauseMs: 250 });
  silence.answered(0);
  assert.equal(silence.missed({ askedAtMs: 250, nowMs: 251, limitMs: 5_000 }), true);
  assert.equal(silence.missed({ askedAtMs: 60_000, nowMs: 60_001, limitMs: 5_000 }), true);
  assert.equal(silence.chargedMs, 502);
});

test('a caller that must come to a verdict counts what is late again and again', () => {
  const silence = new Silence({ pauseMs: 0, mostLate: 3 });
  const late = (atMs: number): boolean => silence.missed({ askedAtMs: atMs, nowMs: atMs + 9_000, limitMs: 2_000 });
  assert.deepEqual([0, 10_000, 20_000, 30_000].map(late), [false, false, false, true]);
  silence.answered(40_000);
  assert.equal(late(40_000), false);
  assert.equal(silence.missed({ askedAtMs: 50_000, nowMs: 52_000, limitMs: 2_000 }), true);
});
