import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { requestOutcomes } from '../protocol/recording.ts';
import { type LoadRequest, newRequest } from './request.ts';
import { Tally } from './tally.ts';

function ended(tookMs: number, changes: Partial<LoadRequest> = {}): LoadRequest {
  return { ...newRequest(1, 1_000, false), endedMs: 1_000 + tookMs, outcome: 'ok', server: 'vm-0', ...changes };
}

test('percentiles are those of the sorted times, to a thousandth', () => {
  const times = fc.array(fc.double({ min: 0.01, max: 3_000_000, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(times, (times) => {
      const tally = new Tally(0);
      for (const tookMs of times) tally.ended(ended(tookMs));
      const sorted = times.toSorted((a, b) => a - b);
      const { latencyMs, ok } = tally.totals(1_000);
      assert.equal(ok, times.length);
      for (const [share, found] of [
        [0.5, latencyMs.p50],
        [0.9, latencyMs.p90],
        [0.99, latencyMs.p99],
        [1, latencyMs.max],
      ] as const) {
        // HDR histograms take the nearest rank.
        const exact = sorted[Math.max(0, Math.round(share * sorted.length) - 1)] ?? 0;
        assert.ok(found !== null && Math.abs(found - exact) <= exact * 0.001 + 0.002, `${found} is not ${exact}`);
      }
    }),
  );
});

test('what failed fast does not flatter, and what was given up counts with the time that it waited', () => {
  const tally = new Tally(0);
  for (const outcome of requestOutcomes) tally.ended(ended(outcome === 'timeout' ? 10_000 : 5, { outcome }));
  const totals = tally.totals(2_000);
  assert.deepEqual(totals.outcomes, Object.fromEntries(requestOutcomes.map((outcome) => [outcome, 1])));
  assert.equal(totals.ended, requestOutcomes.length);
  assert.equal(totals.seconds, 2);
  assert.ok(Math.abs((totals.latencyMs.mean ?? 0) - 5_002.5) < 10);
  assert.ok((totals.latencyMs.max ?? 0) >= 9_990);
  assert.equal(totals.servers[0]?.failed, requestOutcomes.length - 1);
});

test('the recent figures are those since the last call; without requests there are no times', () => {
  const tally = new Tally(0);
  tally.ended(ended(10));
  tally.ended(ended(20, { server: 'vm-1' }));
  const first = tally.takeRecent(1_000);
  assert.deepEqual(
    first.servers.map(({ name, ended }) => [name, ended]),
    [
      ['vm-0', 1],
      ['vm-1', 1],
    ],
  );
  const second = tally.takeRecent(3_000);
  assert.deepEqual([second.seconds, second.ended, second.servers, second.latencyMs.p99], [2, 0, [], null]);
  assert.equal(tally.totals(3_000).ended, 2);
});

test('how late the client was', () => {
  const tally = new Tally(0);
  tally.sent(0);
  assert.ok((tally.totals(1).lateMs.max ?? 1) < 0.01);
  tally.sent(30);
  assert.ok(Math.abs((tally.totals(1).lateMs.max ?? 0) - 30) < 0.1);
});

test('servers that call themselves anew each time do not fill the memory', () => {
  const tally = new Tally(0);
  for (let i = 0; i < 5_000; i += 1) tally.ended(ended(1, { server: `vm-${i}` }));
  const { servers } = tally.totals(1);
  assert.equal(servers.length, 1_001);
  assert.equal(servers.find(({ name }) => name === '(others)')?.ended, 4_000);
});
