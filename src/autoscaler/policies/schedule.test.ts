import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../../domain/errors.ts';
import { poolSnapshot } from '../../fake/scaling.ts';
import { parsePolicies } from '../presets.ts';
import { schedule } from './schedule.ts';

const work = { start: '0 8 * * 1-5', end: '0 18 * * 1-5', timezone: 'Europe/Paris', vms: 5 };
const [policy] = parsePolicies([
  { kind: 'schedule', times: [work, { start: '0 12 * * *', end: '0 13 * * *', timezone: 'Europe/Paris', vms: 9 }] },
]);
assert.ok(policy?.kind === 'schedule');
const at = (iso: string, bootMs = 1_000) => schedule(policy, poolSnapshot([], { bootMs }), Date.parse(iso)).desired;

test('from start to end in its time zone, the largest of those that are on', () => {
  assert.equal(at('2026-11-20T06:59:00Z'), 0);
  assert.equal(at('2026-11-20T07:00:00Z'), 5, '8:00 in Paris in winter');
  assert.equal(at('2026-07-24T06:00:00Z'), 5, '8:00 in Paris in summer');
  assert.equal(at('2026-07-24T05:59:00Z'), 0);
  assert.equal(at('2026-11-20T11:30:00Z'), 9);
  assert.equal(at('2026-11-20T16:59:58Z'), 5);
  assert.equal(at('2026-11-20T17:00:01Z'), 0);
  assert.equal(at('2026-11-21T09:00:00Z'), 0, 'a Saturday');
  assert.equal(at('2026-11-21T11:30:00Z'), 9);
});

test('begins earlier by the time to get a VM ready', () => {
  assert.equal(at('2026-11-20T06:58:00Z', 180_000), 5);
  assert.equal(at('2026-11-20T06:56:00Z', 180_000), 0);
});

test('what is no cron expression or time zone is refused', () => {
  for (const wrong of [
    { start: 'at eight' },
    { end: '0 25 * * *' },
    { timezone: 'Mars/Base' },
    { start: '* * * * * *' },
  ]) {
    assert.throws(
      () => parsePolicies([{ kind: 'schedule', times: [{ ...work, ...wrong }] }]),
      (error) => error instanceof TidepoolError && error.code === 'invalid',
    );
  }
});
