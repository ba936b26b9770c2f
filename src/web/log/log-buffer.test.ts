import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LogBuffer } from './log-buffer.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const linesOf = (buffer: LogBuffer): string[] =>
  Array.from({ length: buffer.lineCount }, (_, i) => `${buffer.line(i).stream} ${text(buffer.line(i).bytes)}`);

async function found(buffer: LogBuffer, needle: string, from = 0, most = 1_000): Promise<number[]> {
  const lines: number[] = [];
  for await (const part of buffer.find(needle, from, most)) lines.push(...part);
  return lines;
}

test('lines are those of each stream, however they are cut into pieces', () => {
  const piece = fc.record({ stream: fc.constantFrom('stdout', 'stderr'), data: fc.stringMatching(/^[ab\n]{0,9}$/) });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const buffer = new LogBuffer();
      for (const { stream, data } of pieces) buffer.push(stream, Buffer.from(data));
      for (const stream of ['stdout', 'stderr']) {
        const whole = pieces.filter((one) => one.stream === stream).map((one) => one.data);
        const wanted = whole.join('').split('\n');
        const rest = wanted.pop();
        assert.deepEqual(
          linesOf(buffer).filter((line) => line.startsWith(stream)),
          wanted.map((line) => `${stream} ${line}`),
        );
        assert.equal(text(buffer.unfinished().find((one) => one.stream === stream)?.bytes ?? Buffer.of()), rest);
      }
    }),
  );
});

test('lines that cross blocks, and lines that are longer than what is shown', () => {
  const buffer = new LogBuffer();
  const long = 'x'.repeat(3_000_000);
  buffer.push('stdout', Buffer.from(`a\n${long}\nb\n`));
  assert.equal(buffer.lineCount, 3);
  assert.equal(buffer.line(1).length, long.length);
  assert.ok(buffer.line(1).bytes.length < 10_000);
  assert.equal(text(buffer.line(2).bytes), 'b');
});

test('a search finds lines without regard to case, across blocks, from a line on, and not more than asked for', async () => {
  const buffer = new LogBuffer();
  for (let i = 0; i < 40_000; i += 1) buffer.push('stdout', Buffer.from(`${'.'.repeat(60)} line ${i}\n`));
  assert.deepEqual(await found(buffer, 'LINE 39999'), [39_999]);
  assert.equal((await found(buffer, 'line 3999')).length, 11);
  assert.deepEqual(await found(buffer, 'line 3999', 39_998), [39_998, 39_999]);
  assert.equal((await found(buffer, 'line', 0, 7)).length, 7);
  assert.deepEqual(await found(buffer, 'nowhere'), []);
  assert.deepEqual(await found(buffer, '\n'), [], 'ends of lines are no text');
});
