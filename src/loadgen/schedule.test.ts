import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Schedule } from './schedule.ts';

test('the first request is due at once, the others evenly after it, without drift', () => {
  const everyMs = fc.double({ min: 0.01, max: 100_000, noNaN: true });
  fc.assert(
    fc.property(everyMs, fc.integer({ min: 1, max: 300 }), (everyMs, count) => {
      const schedule = new Schedule(1_000, everyMs);
      const due = Array.from({ length: count }, () => schedule.take());
      assert.equal(due[0], 1_000);
      assert.equal(due.at(-1), 1_000 + (count - 1) * everyMs);
      assert.equal(schedule.nextMs, 1_000 + count * everyMs);
    }),
  );
});
