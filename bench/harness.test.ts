import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { alternate, type Bench, jsonLine, judge, median, textLine } from './harness.ts';

const bench: Bench = {
  name: 'boot',
  question: 'How long?',
  atMost: 4,
  run: async () => ({ ours: [1], baseline: [1] }),
};
const context = (runs: number, signal = new AbortController().signal) => ({ runs, signal, log: () => undefined });

test('both sides are measured by turns, each as often', async () => {
  const order: string[] = [];
  const side = (name: string) => async () => order.push(name);
  const series = await alternate(context(3), side('o'), side('b'));
  assert.equal(order.join(''), 'obboob');
  assert.deepEqual([series.ours.length, series.baseline.length], [3, 3]);
});

test('an interrupted benchmark stops', async () => {
  await assert.rejects(
    alternate(
      context(3, AbortSignal.abort()),
      async () => 1,
      async () => 1,
    ),
  );
});

test('the median lies within the values and does not depend on their order', () => {
  const numbers = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(numbers, (values) => {
      const middle = median(values);
      assert.ok(middle >= Math.min(...values) && middle <= Math.max(...values));
      assert.equal(median(values.toReversed()), middle);
    }),
  );
  assert.deepEqual([median([3, 1, 2]), median([4, 1, 2, 3])], [2, 2.5]);
});

test('a ratio is held against atMost or atLeast; a variant may have its own limit', () => {
  const slow = { ours: [10, 9, 11], baseline: [2, 2, 2] };
  assert.equal(judge(bench, slow).ok, false);
  assert.equal(judge(bench, { ...slow, limit: { atMost: 5 } }).ok, true);
  assert.equal(judge(bench, { ...slow, limit: { atLeast: 6 } }).ok, false);
  assert.equal(judge({ ...bench, atMost: 5 }, { ...slow, variant: 'warm' }).bench, 'boot/warm');
});

test('what is no measurement is refused', () => {
  for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => judge(bench, { ours: [value], baseline: [1] }), RangeError);
  }
  assert.throws(() => judge(bench, { ours: [], baseline: [1] }), RangeError);
});

test('the line of JSON has its fixed keys, the text says which bound', () => {
  const verdict = judge(bench, { ours: [7], baseline: [2] });
  assert.equal(jsonLine(verdict), '{"bench":"boot","ours":7,"baseline":2,"ratio":3.5,"atMost":4,"runs":1}');
  const more = judge(bench, { ours: [7], baseline: [2], limit: { atLeast: 2 } });
  assert.match(jsonLine(more), /"ratio":3.5,"atLeast":2,"runs":1}$/);
  assert.match(textLine(verdict), /ratio 3.50 \(at most 4: ok; 1 runs/);
});
