import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Queue } from './queue.ts';

test('what came first is taken first, however many came and went', () => {
  const queue = new Queue<number>();
  const taken: (number | undefined)[] = [];
  for (let i = 0; i < 10_000; i += 1) {
    queue.push(i);
    if (i % 3 !== 0) taken.push(queue.shift());
  }
  assert.equal(queue.first, taken.length);
  while (queue.length > 0) taken.push(queue.shift());
  assert.deepEqual(
    taken,
    Array.from({ length: 10_000 }, (_, i) => i),
  );
  assert.equal(queue.shift(), undefined);
});
