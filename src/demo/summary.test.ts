import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Account } from './story.ts';
import { shortcomings, summary } from './summary.ts';

const good: Account = {
  ...{ jobMs: 60_000, deployMs: 20_000, most: 3, growMs: 2_500, noticedMs: 900, repairMs: 4_000, shrinkMs: 15_000 },
  load: { requests: 900, lost: 0, p50Ms: 40, p99Ms: 400 },
};

test('what went well is told, and nothing else', () => {
  assert.match(summary(good, 'p.html'), /900 requests were sent and none was lost; half were answered within 40 ms/);
  assert.deepEqual(shortcomings(good), []);
});

test('what should not have happened is told, and the summary does not say otherwise', () => {
  const bad: Account = { ...good, most: 1, load: { ...good.load, lost: 7 } };
  assert.match(summary(bad, 'p.html'), /900 requests were sent and 7 were lost/);
  assert.deepEqual(shortcomings(bad), ['the pool did not grow', '7 of 900 requests were lost']);
  assert.deepEqual(shortcomings({ ...good, load: { ...good.load, requests: 0 } }), ['no request was sent']);
});
