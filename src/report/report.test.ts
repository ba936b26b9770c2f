import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordingLine } from '../protocol/recording.ts';
import { type Point, thinned, toHistory, withGaps } from './history.ts';
import { reportPage, reportSvg } from './page.ts';
import { fakeRecording, fakeStartMs } from './recording.fake.ts';
import { summarize } from './summary.ts';

const recording = fakeRecording();

function summaryOf(lines: readonly RecordingLine[]) {
  const [pool] = summarize(toHistory(lines)).pools;
  assert.ok(pool !== undefined);
  return pool;
}

test('the summary says how many VMs there were, what was decided, and what broke', () => {
  const pool = summaryOf(recording);
  assert.deepEqual(pool.vmCount.desired, { min: 1, mean: (10 + 49 * 2) / 59, max: 2 });
  assert.deepEqual(pool.vmCount.ready, { min: 1, mean: (30 + 29 * 2) / 59, max: 2 });
  assert.equal(pool.mostQueued, 4);
  assert.deepEqual(
    pool.cpu.map(({ vm, samples, peakMemoryBytes, cpu }) => [vm, samples, peakMemoryBytes, cpu.min, cpu.max]),
    [
      ['default-0000', 60, 1_059, 0.5, 1],
      ['default-0001', 30, 1_059, 0.5, 0.5],
    ],
  );
  const [action, ...others] = pool.actions;
  assert.deepEqual(others, []);
  assert.equal(action?.reason, 'grows from 1 to 2 (window5-80-35: CPU is above)');
  assert.equal(action?.reachedAfterMs, 10_000);
  assert.deepEqual(pool.failures, [
    { atMs: fakeStartMs + 30_000, vm: 'default-0001', reason: 'failed: <crashed> & "gone"', repairedAfterMs: 10_000 },
  ]);
});

test('what two writers saw is there once, in whatever order', () => {
  const [header, ...rest] = recording;
  assert.ok(header !== undefined);
  const twice = summaryOf([header, ...rest.toReversed(), ...rest]);
  assert.equal(twice.actions.length, 1);
  assert.equal(twice.failures.length, 1);
  assert.equal(twice.vmCount.ready.mean, summaryOf(recording).vmCount.ready.mean);
});

test('a time without news is a gap, in curves and in means', () => {
  const point = (second: number): Point => [second * 1_000, 1];
  const points = [point(1), point(2), point(9)];
  assert.deepEqual(withGaps(points, 3_500), [point(1), point(2), [2_001, null], point(9)]);
  const half = recording.filter(
    (line) => line.type !== 'sample' || line.atMs < fakeStartMs + 10_000 || line.atMs >= fakeStartMs + 50_000,
  );
  assert.equal(summaryOf(half).vmCount.ready.mean, 1.5);
});

test('many points are drawn as means of neighbours', () => {
  const points = Array.from({ length: 10 }, (_, i): Point => [i, i]);
  assert.deepEqual(thinned(points, 5), [
    [0, 0.5],
    [2, 2.5],
    [4, 4.5],
    [6, 6.5],
    [8, 8.5],
  ]);
  assert.deepEqual(thinned(points, 10), points);
});

test('the page stands alone, is dark where wanted, and takes no text for markup', () => {
  const history = toHistory(recording);
  const page = reportPage(history, summarize(history), ['A note.']);
  assert.doesNotMatch(page, /<script|<link|<img|url\((?!#)|@import| src=| href="(?!#)/);
  assert.match(page, /prefers-color-scheme:dark/);
  assert.match(page, /failed: &lt;crashed&gt; &amp; &quot;gone&quot;/);
  assert.match(page, /▲ 1 to 2/);
  assert.match(page, /<svg /);
  assert.match(page, /A note\./);
  assert.ok(page.includes('var(--series-0)'));
});

test('the plot has every VM, limit and count, and colours that any viewer knows', () => {
  const svg = reportSvg(toHistory(recording));
  for (const name of ['default-0000', 'default-0001', 'window5-80-35 grows above', 'desired', 'ready', 'decision']) {
    assert.ok(svg.includes(`>${name}<`), name);
  }
  assert.doesNotMatch(svg, /var\(/);
});

test('several pools are below one another; a recording of nothing but its header has none', () => {
  const [header, ...rest] = fakeRecording('other');
  const both = reportSvg(toHistory([...recording, ...rest]));
  assert.equal(both.match(/<svg /g)?.length, 3);
  assert.ok(header !== undefined);
  const empty = toHistory([header]);
  assert.deepEqual(summarize(empty).pools, []);
  assert.match(reportPage(empty, summarize(empty), []), /0 s<\/time> recorded/);
  assert.match(reportSvg(empty), /^<svg .*<\/svg>$/s);
});
