import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { soak } from './soak.ts';
import { summaryOf } from './summary.ts';

const minute = 60_000;

test('three minutes of faults on real VMs: no job and no request is lost, nothing is left behind', {
  timeout: 30 * minute,
}, async (t) => {
  const seed = Number(process.env.TIDEPOOL_SEED ?? randomInt(1, 1_000_000));
  const options = { forMs: 3 * minute, everyMs: 4_000, seed, only: [], keep: false };
  const lines: string[] = [];
  const result = await soak(options, (line) => lines.push(line));
  const summary = summaryOf(options, result);
  t.diagnostic(summary);
  assert.deepEqual(result.violations, [], `${lines.slice(-200).join('\n')}\n${summary}`);
  assert.ok(result.jobs > 0 && result.answered > 0, summary);
});
