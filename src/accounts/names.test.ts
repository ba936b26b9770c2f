import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../domain/errors.ts';
import { foldName, newName } from './names.ts';

test('names are the same in capitals and not', () => {
  for (const typed of ['ann', 'Ann', 'ANN']) assert.equal(foldName(typed), 'ann');
  assert.equal(newName('Anna-Lena.K_2'), 'anna-lena.k_2');
  assert.equal(newName('a'), 'a');
  assert.equal(newName('a'.repeat(32)), 'a'.repeat(32));
});

test('nothing else is a name, however much it looks like one', () => {
  const cyrillicA = '\u0430nn';
  const kelvin = '\u212Aate';
  const fullWidth = '\uFF41nn';
  const dotlessI = 'd\u0131na';
  const combining = 'ann\u0301';
  const odd = ['', ' ann', 'ann ', 'ann\n', 'ann\0', '.ann', '-ann', '1ann', '../x', 'a/b', 'a b', 'a'.repeat(33)];
  for (const typed of [...odd, cyrillicA, kelvin, fullWidth, dotlessI, combining, '\u202Eann', 'toString\u200B']) {
    assert.equal(foldName(typed), undefined, JSON.stringify(typed));
    assert.throws(
      () => newName(typed),
      (error) => hasCode(error, 'invalid'),
    );
  }
});

test('whatever is typed, a name is plain ASCII, lower case and stays what it is', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-zA-Z0-9._-]{1,40}$/)), (typed) => {
      const name = foldName(typed);
      if (name === undefined) return;
      assert.match(name, /^[a-z][a-z0-9._-]{0,31}$/);
      assert.equal(foldName(name), name);
      assert.equal(name.length, typed.length);
    }),
  );
});
