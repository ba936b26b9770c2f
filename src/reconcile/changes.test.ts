import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Changes } from './changes.ts';

const never = new AbortController().signal;

test('a change between the reading and the waiting is not lost', async () => {
  const changes = new Changes();
  const subscription = changes.subscribe('a');
  changes.notify('a');
  await subscription.wait(never);
  subscription.close();
});

test('only subscribers of the topic are woken, and only once for many changes', async () => {
  const changes = new Changes();
  const a = changes.subscribe('a');
  const b = changes.subscribe('b');
  changes.notify('a');
  changes.notify('a');
  await a.wait(never);
  const abort = new AbortController();
  const order: string[] = [];
  const waits = [a, b].map((subscription, i) => subscription.wait(abort.signal).then(() => order.push(`woken ${i}`)));
  order.push('waiting');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, ['waiting']);
  abort.abort();
  await Promise.all(waits);
  assert.equal(order.length, 3);
});
