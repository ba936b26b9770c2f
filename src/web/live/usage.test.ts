import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UsageView } from '../../protocol/api.ts';
import { rateBetween } from './use-rates.ts';
import { merged, shownMs } from './use-usage.ts';

function usage(vm: string, ...times: number[]): UsageView {
  const rest = { memoryBytes: 1, diskReadBytesPerSecond: 0, diskWriteBytesPerSecond: 0 };
  const network = { networkReceiveBytesPerSecond: 0, networkTransmitBytesPerSecond: 0 };
  return { vm, pool: 'p', state: 'ready', samples: times.map((atMs) => ({ atMs, cpu: 0.5, ...rest, ...network })) };
}
const times = (views: readonly UsageView[]): unknown =>
  views.map(({ vm, samples }) => [vm, ...samples.map(({ atMs }) => atMs)]);

test('new samples come behind old ones, once; a VM that is gone stays until its samples are old', () => {
  const first = merged([], [usage('a', 1, 2), usage('b', 2)]);
  const second = merged(first, [usage('a', 2, 3)]);
  assert.deepEqual(times(second), [
    ['a', 1, 2, 3],
    ['b', 2],
  ]);
  assert.equal(second[1]?.state, 'gone');
  assert.deepEqual(times(merged(second, [usage('a', 3 + shownMs)])), [['a', 3, 3 + shownMs]]);
});

test('rates are between two readings of counters that went on', () => {
  const stats = (requests: number) => ({
    endpoints: 1,
    requests,
    failed: 0,
    inFlight: 0,
    waiting: 0,
    meanMs: 5,
    vms: [{ vm: 'a', requests, inFlight: 0, meanMs: 5 }],
  });
  const rate = rateBetween({ atMs: 0, stats: stats(10) }, { atMs: 2_000, stats: stats(50) });
  assert.deepEqual([rate?.requestsPerSecond, rate?.vms.get('a')], [20, 20]);
  assert.equal(rateBetween({ atMs: 0, stats: stats(50) }, { atMs: 2_000, stats: stats(10) }), undefined);
  assert.equal(rateBetween({ atMs: 5, stats: stats(1) }, { atMs: 5, stats: stats(2) }), undefined);
});
