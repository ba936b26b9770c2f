import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnhealthyGuard } from './unhealthy.ts';

let serial = 0;
const fail = (guard: UnhealthyGuard, nowMs: number): void => {
  serial += 1;
  guard.see([{ name: `vm-${serial}`, state: 'failed', createdAtMs: 0 }], nowMs);
};

test('one VM, or a fifth of the pool, may be down; with more, VMs are launched one at a time for a minute', () => {
  const guard = new UnhealthyGuard();
  fail(guard, 0);
  assert.equal(guard.assess(1, 0, 10).mostLaunches, Infinity);
  fail(guard, 20);
  assert.deepEqual(guard.assess(1, 0, 30), { mostLaunches: 1, failures: 2, allowed: 1 });
  assert.equal(guard.assess(10, 8, 30).mostLaunches, Infinity);
  assert.equal(guard.assess(1, 0, 60_010).mostLaunches, Infinity);
});

test('failures one after the other, each repaired, never limit launches', () => {
  const guard = new UnhealthyGuard();
  for (let atMs = 0; atMs < 20_000; atMs += 5_000) {
    fail(guard, atMs);
    assert.equal(guard.assess(2, 1, atMs + 1).mostLaunches, Infinity);
    assert.equal(guard.assess(2, 2, atMs + 4_000).failures, 0);
  }
});

test('a VM is counted once however long its removal takes, and again when its name has failed again', () => {
  const guard = new UnhealthyGuard();
  const failed = { name: 'vm', state: 'failed' as const, createdAtMs: 1 };
  assert.deepEqual(guard.see([failed, { name: 'other', state: 'ready', createdAtMs: 1 }], 10), [failed]);
  assert.deepEqual(guard.see([failed], 20), []);
  assert.equal(guard.assess(10, 8, 30).failures, 1);
  const again = { ...failed, createdAtMs: 2 };
  assert.deepEqual(guard.see([again], 40), [again]);
  assert.equal(guard.assess(10, 8, 50).failures, 2);
});

test('a pool of two that lost both may launch one at once, and so may a pool of any size at any time', () => {
  for (const wanted of [1, 2, 3, 10, 100]) {
    const guard = new UnhealthyGuard();
    for (let i = 0; i < 2 * wanted; i += 1) fail(guard, i);
    for (const atMs of [0, 30_000, 59_000]) assert.equal(guard.assess(wanted, 0, atMs).mostLaunches, 1);
  }
});
