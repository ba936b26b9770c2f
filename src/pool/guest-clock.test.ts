import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isClockOff } from './guest-clock.ts';

const never = Number.POSITIVE_INFINITY;
const nowMs = 1_780_000_000_000;

test('a guest’s clock that is off by more than a second is set, at most once a minute', () => {
  const at = (offMs: number, tookMs = 0, sinceMs = never) =>
    isClockOff({ guestMs: nowMs + offMs, nowMs, tookMs }, sinceMs);
  for (const offMs of [0, 1_000, -1_000]) assert.equal(at(offMs), false, `${offMs}`);
  for (const offMs of [1_001, -1_001, 3_600_000, -3_600_000]) assert.equal(at(offMs), true, `${offMs}`);
  assert.equal(at(3_600_000, 0, 59_999), false);
  assert.equal(at(3_600_000, 0, 60_000), true);
});

test('an answer that took long is no sign of a clock that is slow, and a guest that says nothing is left alone', () => {
  assert.equal(isClockOff({ guestMs: nowMs - 2_500, nowMs, tookMs: 2_000 }, never), false);
  assert.equal(isClockOff({ guestMs: nowMs - 3_500, nowMs, tookMs: 2_000 }, never), true);
  assert.equal(isClockOff({ guestMs: 0, nowMs, tookMs: 0 }, never), false);
});
