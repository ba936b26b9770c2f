import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { brailleCurve, rowOf } from './braille.ts';
import { clean, encode, line, wrap } from './spans.ts';

test('a line is cut to the window, and what it does not cover is erased', () => {
  assert.equal(encode(line('hello'), 3, true), 'hel');
  assert.equal(encode(line('hello', { color: 'red', bold: true }), 5, true), '\x1b[1;31mhello\x1b[0m');
  assert.equal(encode(line('hello', { color: 'red' }), 9, false), 'hello\x1b[K');
  assert.equal(encode([{ text: 'ab' }, { text: 'cd', bold: true }], 2, true), 'ab');
});

test('text from elsewhere steers no terminal and takes a column a character', () => {
  assert.equal(clean('a\x1b[2Jb\r\nc\u009bd\u200be\u202ef漢g'), 'a?[2Jb??c?d?e?f?g');
  assert.equal(clean('10 % … ≤ ▲ θ é'), '10 % … ≤ ▲ θ é');
});

test('wrapping keeps all words, or says that it did not', () => {
  assert.deepEqual(wrap('one two three', 7, 3), ['one two', 'three']);
  assert.deepEqual(wrap('one two three four', 7, 2), ['one two', 'three …']);
  assert.deepEqual(wrap('', 7, 2), ['']);
});

test('a curve is drawn from the bottom at 0 to the top at 1, with upright strokes', () => {
  assert.deepEqual(brailleCurve([0, 0], 1), [['⣀']]);
  assert.deepEqual(brailleCurve([1, 1], 1), [['⠉']]);
  assert.deepEqual(brailleCurve([0, 1], 1), [['⡸']]);
  assert.deepEqual(brailleCurve([null, null, 1, null], 2), [
    [' ', '⠁'],
    [' ', ' '],
  ]);
});

test('every value is in the row that it is said to be in', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 12 }), (value, rows) => {
      const curve = brailleCurve([value], rows);
      assert.deepEqual(
        curve.map(([cell]) => cell !== ' '),
        Array.from({ length: rows }, (_, row) => row === rowOf(value, rows)),
      );
    }),
  );
});
