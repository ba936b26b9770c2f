import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OutputFrame } from '../protocol/output-frames.ts';
import { linesOf } from './output.ts';

const frame = (stream: OutputFrame['stream'], atMs: number, text: string): OutputFrame => {
  return { stream, atMs, data: Buffer.from(text) };
};

test('frames become lines, each stream for itself, with the time at which a line began', () => {
  const lines = linesOf([
    frame('stdout', 1, 'one\ntw'),
    frame('stderr', 2, 'error\n'),
    frame('stdout', 3, 'o\n\nthr'),
    frame('stdout', 4, 'ee'),
  ]);
  assert.deepEqual(
    lines.map(({ stream, atMs, text }) => [stream, atMs, text]),
    [
      ['stdout', 1, 'one'],
      ['stderr', 2, 'error'],
      ['stdout', 1, 'two'],
      ['stdout', 3, ''],
      ['stdout', 3, 'three'],
    ],
  );
});

test('a character that is cut by a frame is whole in its line', () => {
  const bytes = Buffer.from('ä\n');
  const frames = [bytes.subarray(0, 1), bytes.subarray(1)].map((data) => ({
    stream: 'stdout' as const,
    atMs: 1,
    data,
  }));
  assert.equal(linesOf(frames)[0]?.text, 'ä');
  assert.deepEqual(linesOf([]), []);
});
