import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnhealthyGuard } from './unhealthy.ts';

let serial = 0;
const fail = (guard: UnhealthyGuard, nowMs: number): void => {
  serial += 1;
  guard.see([{ name: `vm-${serial}`, state: 'failed', createdAtMs: 0 }], nowMs);
};

test('one VM, or a fifth of the pool, may be down; more stops replacing for a minute', () => {
  const guard = new UnhealthyGuard();
  fail(guard, 0);
  assert.equal(guard.assess(1, 0, 10).mayReplace, true);
  fail(guard, 20);
  assert.deepEqual(guard.assess(1, 0, 30), { mayReplace: false, failures: 2, allowed: 1 });
  assert.equal(guard.assess(10, 8, 30).mayReplace, true);
  assert.equal(guard.assess(1, 0, 60_010).mayReplace, true);
});

test('failures one after the other, each repaired, never stop replacing', () => {
  const guard = new UnhealthyGuard();
  for (let atMs = 0; atMs < 20_000; atMs += 5_000) {
    fail(guard, atMs);
    assert.equal(guard.assess(2, 1, atMs + 1).mayReplace, true);
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
