import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Usage } from './usage.ts';
import { UsageRing } from './usage-ring.ts';

function usage(atMs: number): Usage {
  return {
    ...{ atMs, cpu: atMs / 7, cpuWanted: 1, memoryBytes: 3 * 1024 ** 3, diskReadBytesPerSecond: 1 },
    ...{ diskWriteBytesPerSecond: 2, networkReceiveBytesPerSecond: 3, networkTransmitBytesPerSecond: 4 },
  };
}

test('a ring has the newest usages as they were, oldest first, whatever bound it is given meanwhile', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 400 }), fc.nat(400), (bounds, sinceMs) => {
      const ring = new UsageRing();
      let expected: Usage[] = [];
      for (const [atMs, most] of bounds.entries()) {
        ring.push(usage(atMs), most);
        expected = [...expected, usage(atMs)].slice(-most);
      }
      assert.equal(ring.length, expected.length);
      assert.deepEqual(ring.after(-1), expected);
      assert.deepEqual(
        ring.after(sinceMs),
        expected.filter(({ atMs }) => atMs > sinceMs),
      );
      assert.deepEqual(ring.after(-1, 7), expected.slice(-7));
    }),
  );
});
