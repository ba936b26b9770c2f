import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Apart } from './apart.ts';

test('a function runs on another thread: result, error, one call after the other', async () => {
  await using apart = new Apart<typeof import('./apart.sample.fake.ts')>(
    new URL('apart.sample.fake.ts', import.meta.url),
  );
  const calls = [apart.call('count', 2), apart.call('count', 3)];
  assert.deepEqual(await Promise.all(calls), [2, 5]);
  await assert.rejects(apart.call('fail', 'no'), /^RangeError: no$/);
  assert.equal(await apart.call('count', 1), 6);
});

test('a module that cannot be loaded fails the call, and does not leave it waiting', async () => {
  await using apart = new Apart<{ f(): void }>(new URL('there-is-none.ts', import.meta.url));
  await assert.rejects(apart.call('f'), /there-is-none/);
});
