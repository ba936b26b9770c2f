import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineReader, withBuffered } from './lines.ts';

test('lines come out whole, wherever the chunks end', () => {
  const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !text.includes('\n')));
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 7 }), (lines, step) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      const reader = new LineReader(100);
      const seen: string[] = [];
      for (let at = 0; at < bytes.length; at += step) seen.push(...reader.push(bytes.subarray(at, at + step)));
      assert.deepEqual(seen, lines);
    }),
  );
});

test('a line that is too long is refused, with its end and without', () => {
  assert.deepEqual(new LineReader(3).push(Buffer.from('abc\nabc')), ['abc']);
  assert.throws(() => new LineReader(3).push(Buffer.from('abcd\n')), RangeError);
  assert.throws(() => new LineReader(3).push(Buffer.from('abcd')), RangeError);
});

test('what a stream holds comes together, and nothing is lost', async () => {
  const stream = new PassThrough();
  for (let count = 0; count < 100; count += 1) stream.write(`${count},`);
  const texts: string[] = [];
  for await (const chunk of stream) {
    texts.push(Buffer.from(withBuffered(chunk, stream)).toString());
    if (texts.length === 1) stream.write('later');
    else stream.end();
  }
  assert.deepEqual(texts, [Array.from({ length: 100 }, (_, count) => `${count},`).join(''), 'later']);
});
