import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idCeiling, sortableId, sortableIdAfter } from './id.ts';

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

test('a time before 1970, or beyond what an id holds, sorts where it belongs', () => {
  const before = sortableId(-3_600_000, random(7));
  assert.equal(before, sortableId(0, random(7)));
  assert.ok(before < sortableId(nowMs, random(0)));
  assert.ok(sortableId(2 ** 60, random(255)) <= '7zzzzzzzzzzzzzzzzzzzzzzzzz');
  assert.ok(sortableIdAfter(before, -7_200_000, random(3)) > before, 'the order stays there too');
});

test('an id from a far future is not continued from, unless the clock is what is wrong', () => {
  const yearMs = 367 * 24 * 3_600_000;
  const ahead = sortableId(nowMs + yearMs, random(1));
  assert.equal(sortableIdAfter(ahead, nowMs, random(7)), sortableId(nowMs, random(7)));
  // Ids that a server of before has made by a clock before 1970.
  assert.equal(sortableIdAfter('zx2qyn6000000000000000000z', nowMs, random(7)), sortableId(nowMs, random(7)));
  assert.equal(sortableIdAfter('zx2qyn6000000000000000000z', 0, random(7)), sortableId(0, random(7)));
  const soon = sortableId(nowMs + 30 * 24 * 3_600_000, random(1));
  assert.ok(sortableIdAfter(soon, nowMs, random(7)) > soon);
  const right = sortableId(nowMs, random(1));
  assert.ok(sortableIdAfter(right, 5_000, random(7)) > right, 'a clock of 1970 begins no second order');
  assert.ok(idCeiling(nowMs) > soon && idCeiling(nowMs) < ahead);
});
