import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterEnd, noRestarts } from './restarts.ts';

/** Pauses after lives of these lengths, until it is given up (null). */
function pauses(lives: readonly (number | null)[]): (number | null)[] {
  const seen: (number | null)[] = [];
  let history = noRestarts;
  for (const servedMs of lives) {
    const next = afterEnd(history, servedMs);
    history = next.history;
    seen.push(next.pauseMs);
  }
  return seen;
}

test('what never served is given up soon', () => {
  assert.deepEqual(pauses([null, null, null]), [500, 1_000, null]);
});

test('what did serve gets more tries, with growing pauses', () => {
  const seen = pauses(Array.from({ length: 8 }, () => 100));
  assert.deepEqual(seen, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, null]);
});

test('a long good life makes what was before it forgotten', () => {
  assert.deepEqual(pauses([100, 100, 60_000, 100]), [500, 1_000, 500, 1_000]);
  const lives = Array.from({ length: 50 }, () => 60_000);
  assert.ok(pauses(lives).every((pause) => pause === 500));
});
