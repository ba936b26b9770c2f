import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnhealthyGuard } from './unhealthy.ts';

test('one VM, or a fifth of the pool, may be down; more stops replacing for a minute', () => {
  const guard = new UnhealthyGuard();
  guard.failed(0);
  assert.equal(guard.assess(1, 0, 10).mayReplace, true);
  guard.failed(20);
  assert.deepEqual(guard.assess(1, 0, 30), { mayReplace: false, failures: 2, allowed: 1 });
  assert.equal(guard.assess(10, 8, 30).mayReplace, true);
  assert.equal(guard.assess(1, 0, 60_010).mayReplace, true);
});

test('failures one after the other, each repaired, never stop replacing', () => {
  const guard = new UnhealthyGuard();
  for (let atMs = 0; atMs < 20_000; atMs += 5_000) {
    guard.failed(atMs);
    assert.equal(guard.assess(2, 1, atMs + 1).mayReplace, true);
    assert.equal(guard.assess(2, 2, atMs + 4_000).failures, 0);
  }
});
