import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAnswer } from './checker.ts';

test('an empty answer is a file without a problem', () => {
  assert.equal(parseAnswer('x.py', '{}\n'), undefined);
});

test('a problem is read, with what is odd in it put right', () => {
  const right = { line: 2, column: 3, message: 'invalid syntax', text: 'x = (' };
  assert.deepEqual(parseAnswer('x.py', JSON.stringify(right)), { file: 'x.py', ...right });
  const odd = { line: -5, column: 'x', message: 'm'.repeat(1_000), text: null };
  assert.deepEqual(parseAnswer('x.py', JSON.stringify(odd)), {
    file: 'x.py',
    line: 1,
    column: 1,
    message: 'm'.repeat(400),
    text: '',
  });
});

test('what is no answer is an error', () => {
  assert.throws(() => parseAnswer('x.py', 'Traceback (most recent call last):'));
});
