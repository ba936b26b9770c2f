import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Gate } from './gate.ts';

test('a bounded number of pieces of work runs at one time, the others in their order, and failures free their places', async () => {
  const gate = new Gate(2);
  let running = 0;
  let most = 0;
  const begun: number[] = [];
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      gate.run(async () => {
        begun.push(i);
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        if (i % 3 === 0) throw new RangeError('no');
      }),
    ),
  );
  assert.equal(most, 2);
  assert.deepEqual(
    begun,
    Array.from({ length: 20 }, (_, i) => i),
  );
  assert.equal(results.filter(({ status }) => status === 'rejected').length, 7);
});
