import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttemptView } from '../../src/protocol/api.ts';
import { type Life, overlapOf } from './overlap.ts';

const truth = [{ atMs: 0, offsetMs: 0 }];

function life(vm: string, fromMs: number, untilMs: number | null): Life {
  return { vm, process: { pid: 1, startTicks: '1', words: ['qemu'] }, fromMs, untilMs };
}

function attempt(number: number, vm: string, assignedAtMs: number, outcome = 'requeued'): AttemptView {
  return { number, vm, assignedAtMs, outcome } as AttemptView;
}

test('an attempt that is begun while the machine of the earlier one is there is an overlap', () => {
  const machine = life('a', 1_000, 60_000);
  assert.equal(overlapOf(attempt(1, 'a', 10_000), attempt(2, 'b', 30_000), [machine], truth), machine);
  const standing = life('a', 1_000, null);
  assert.equal(overlapOf(attempt(1, 'a', 10_000), attempt(2, 'b', 30_000), [standing], truth), standing);
});

test('an attempt that is begun after the end of that machine is none, also when another one has its name', () => {
  const lives = [life('a', 1_000, 20_000), life('a', 25_000, null)];
  assert.equal(overlapOf(attempt(1, 'a', 10_000), attempt(2, 'b', 30_000), lives, truth), undefined);
});

test('an attempt that its own agent has ended may be followed at once', () => {
  const machine = life('a', 1_000, null);
  assert.equal(overlapOf(attempt(1, 'a', 10_000, 'not_started'), attempt(2, 'b', 11_000), [machine], truth), undefined);
});

test('a stamp that may mean two moments shows an overlap only when both do', () => {
  // From second 40 on the clock is 15 s slow for 20 s: the stamp of second 34 is made at 34 s, and again at 49 s.
  const offsets = [...truth, { atMs: 40_000, offsetMs: -15_000 }, { atMs: 60_000, offsetMs: 0 }];
  const lives = [life('a', 1_000, 45_000), life('a', 47_000, null)];
  assert.equal(overlapOf(attempt(1, 'a', 34_000), attempt(2, 'b', 80_000), lives, offsets), undefined);
  assert.ok(overlapOf(attempt(1, 'a', 34_000), attempt(2, 'b', 80_000), [life('a', 1_000, null)], offsets));
});
