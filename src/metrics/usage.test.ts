import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MachineStats } from '../domain/hypervisor.ts';
import { Ring } from './ring.ts';
import { usageBetween } from './usage.ts';

const stats = (cpuSeconds: number, fields: Partial<MachineStats> = {}): MachineStats => ({
  name: 'a',
  state: 'running',
  vcpus: 1,
  cpuTimeNs: BigInt(Math.round(cpuSeconds * 1e9)),
  cpuDelayNs: null,
  memoryBytes: 9,
  memoryRssBytes: 7,
  diskReadBytes: 0,
  diskWriteBytes: 0,
  networkReceiveBytes: 0,
  networkTransmitBytes: 0,
  ...fields,
});

test('CPU time over wall time over vCPUs', () => {
  const one = usageBetween(
    { atMs: 0, uptimeMs: 0, stats: stats(10) },
    { atMs: 2_000, uptimeMs: 2_000, stats: stats(11) },
  );
  assert.equal(one?.cpu, 0.5);
  const two = usageBetween(
    { atMs: 0, uptimeMs: 0, stats: stats(10, { vcpus: 2 }) },
    { atMs: 2_000, uptimeMs: 2_000, stats: stats(11, { vcpus: 2 }) },
  );
  assert.equal(two?.cpu, 0.25);
  const late = usageBetween({ atMs: 0, uptimeMs: 0, stats: stats(0) }, { atMs: 900, uptimeMs: 900, stats: stats(1) });
  assert.equal(late?.cpu, 1);
  const moved = usageBetween(
    { atMs: 0, uptimeMs: 0, stats: stats(0) },
    { atMs: 500, uptimeMs: 500, stats: stats(0, { networkReceiveBytes: 100 }) },
  );
  assert.equal(moved?.networkReceiveBytesPerSecond, 200);
});

test('CPU that was wanted: used or waited for; where waiting is not told, any use may have been all there was', () => {
  const wanted = (cpuSeconds: number, delaySeconds: number | null): number | undefined => {
    const at = (seconds: number) => (delaySeconds === null ? null : BigInt(Math.round(seconds * 1e9)));
    const before = { atMs: 0, uptimeMs: 0, stats: stats(5, { cpuDelayNs: at(3) }) };
    const after = {
      atMs: 1_000,
      uptimeMs: 1_000,
      stats: stats(5 + cpuSeconds, { cpuDelayNs: at(3 + (delaySeconds ?? 0)) }),
    };
    return usageBetween(before, after)?.cpuWanted;
  };
  assert.equal(wanted(0.25, 0.5), 0.75);
  assert.equal(wanted(0.25, 2), 1);
  assert.equal(wanted(0, 0), 0);
  assert.deepEqual([wanted(0.25, null), wanted(0, null)], [1, 0]);
});

test('what is no usage is missing, not zero', () => {
  assert.equal(
    usageBetween({ atMs: 5, uptimeMs: 5, stats: stats(1) }, { atMs: 5, uptimeMs: 5, stats: stats(2) }),
    undefined,
  );
  assert.equal(
    usageBetween({ atMs: 0, uptimeMs: 0, stats: stats(9) }, { atMs: 1_000, uptimeMs: 1_000, stats: stats(1) }),
    undefined,
  );
  const paused = stats(1, { state: 'paused' });
  assert.equal(
    usageBetween({ atMs: 0, uptimeMs: 0, stats: stats(1) }, { atMs: 1_000, uptimeMs: 1_000, stats: paused }),
    undefined,
  );
});

test('a clock that is set changes no rate, and a counter that is missing is no use', () => {
  const before = { atMs: 0, uptimeMs: 0, stats: stats(10) };
  for (const atMs of [3_601_000, -3_599_000]) {
    assert.equal(usageBetween(before, { atMs, uptimeMs: 2_000, stats: stats(11) })?.cpu, 0.5);
  }
  const without = stats(0, { cpuTimeNs: null });
  assert.equal(usageBetween(before, { atMs: 1_000, uptimeMs: 1_000, stats: without }), undefined);
  assert.equal(
    usageBetween({ ...before, stats: without }, { atMs: 1_000, uptimeMs: 1_000, stats: stats(11) }),
    undefined,
  );
});

test('a ring holds the newest values in order', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.integer()), (capacity, values) => {
      const ring = new Ring<number>(capacity);
      for (const value of values) ring.push(value);
      assert.deepEqual(ring.toArray(), values.slice(-capacity));
      assert.equal(ring.last(), values.at(-1));
      assert.equal(ring.length, Math.min(capacity, values.length));
    }),
  );
});
