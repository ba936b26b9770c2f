import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sortableId, sortableIdAfter } from './id.ts';

const random = (byte: number): Uint8Array => new Uint8Array(10).fill(byte);
const nowMs = 1_800_000_000_000;

test('ids sort by time', () => {
  assert.ok(sortableId(nowMs, random(255)) < sortableId(nowMs + 1, random(0)));
  assert.equal(sortableIdAfter(undefined, nowMs, random(7)), sortableId(nowMs, random(7)));
  assert.equal(sortableIdAfter(sortableId(nowMs - 1, random(9)), nowMs, random(7)), sortableId(nowMs, random(7)));
});

test('ids stay in the order in which they are made when the clock is set back or stands still', () => {
  let newest = sortableId(nowMs, random(200));
  for (const stepMs of [-3_600_000, -3_599_000, 0, 0, -1]) {
    for (const byte of [0, 255, 3]) {
      const id = sortableIdAfter(newest, nowMs + stepMs, random(byte));
      assert.ok(id > newest, `${id} > ${newest}`);
      assert.equal(id.length, 26);
      newest = id;
    }
  }
  assert.notEqual(
    sortableIdAfter(newest, 0, random(1)),
    sortableIdAfter(newest, 0, random(2)),
    'two at one time differ',
  );
});

test('an id of another form is no floor', () => {
  assert.equal(sortableIdAfter('zz', nowMs, random(7)), sortableId(nowMs, random(7)));
});
