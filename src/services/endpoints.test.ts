import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointChanges, removalReason } from './endpoints.ts';

const at = (vm: string, port: number) => ({ vm, host: '127.0.0.1', port });

test('what came and what went; another port of a VM is another endpoint', () => {
  const before = [at('a', 1), at('b', 2)];
  const after = [at('b', 3), at('a', 1), at('c', 4)];
  assert.deepEqual(endpointChanges(before, after), { added: [at('b', 3), at('c', 4)], removed: [at('b', 2)] });
  assert.deepEqual(endpointChanges(before, [...before].reverse()), { added: [], removed: [] });
});

test('why an endpoint went', () => {
  assert.equal(removalReason(undefined), 'its VM is gone');
  assert.equal(removalReason({ state: 'failed', reason: 'it hangs' }), 'its VM is failed: it hangs');
  assert.equal(removalReason({ state: 'stopping', reason: '' }), 'its VM is stopping');
  assert.match(removalReason({ state: 'ready', reason: '' }), /another revision/);
});
