import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineAnswer } from './line-answer.ts';

function read(reader: LineAnswer, text: string): string {
  const buffer = Buffer.alloc(200_000, '\n');
  return reader.read(buffer, buffer.write(text));
}

test('an answer is a line, in one piece or several', () => {
  const reader = new LineAnswer();
  assert.equal(read(reader, 'hello\n'), 'done');
  assert.equal(reader.keepsOpen, true);
  reader.reset();
  assert.equal(read(reader, 'hel'), 'more');
  assert.equal(read(reader, 'lo'), 'more');
  assert.equal(read(reader, '\n'), 'done');
  assert.equal(reader.end(), false);
});

test('more than a line, or a line without an end, ends the use of the connection', () => {
  const reader = new LineAnswer();
  assert.equal(read(reader, 'one\ntwo\n'), 'done');
  assert.equal(reader.keepsOpen, false);
  reader.reset();
  const states = Array.from({ length: 12 }, () => read(reader, 'x'.repeat(100_000)));
  assert.deepEqual([...new Set(states)], ['more', 'bad']);
});
