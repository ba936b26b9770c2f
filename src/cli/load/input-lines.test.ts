import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { inputLines } from './input-lines.ts';

async function linesOf(...chunks: string[]): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of inputLines(Readable.from(chunks.map((chunk) => Buffer.from(chunk))))) lines.push(line);
  return lines;
}

test('lines, however they come', async () => {
  assert.deepEqual(await linesOf('lo', 'w\nhi', 'gh\r\n', '\nexit'), ['low', 'high', '', 'exit']);
  assert.deepEqual(await linesOf(), []);
});

test('a line without an end fills no memory', async () => {
  const [line, ...others] = await linesOf(...Array.from({ length: 100 }, () => 'x'.repeat(10_000)), '\nlow\n');
  assert.ok((line?.length ?? 0) <= 2_000);
  assert.deepEqual(others, ['low']);
});
