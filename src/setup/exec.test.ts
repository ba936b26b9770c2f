import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { exec } from './exec.ts';

const timeoutMs = 10_000;

test('lines, exit code and the end of the output are told', async () => {
  const lines: string[] = [];
  const script = 'for i in $(seq 30); do echo out $i; done; exit 3';
  const result = await exec(['sh', '-c', script], { timeoutMs, onLine: (line) => lines.push(line) });
  assert.equal(result.exitCode, 3);
  assert.deepEqual([lines.length, lines[29]], [30, 'out 30']);
  assert.equal(result.tail.split('\n').length, 20);
  // Which of the two streams is read first is not told.
  const both = await exec(['sh', '-c', 'echo out; echo err >&2'], { timeoutMs });
  assert.deepEqual(both.tail.split('\n').sort(), ['err', 'out']);
});

test('no question can be asked: standard input is empty', async () => {
  assert.equal((await exec(['sh', '-c', 'read answer'], { timeoutMs })).exitCode, 1);
});

test('a command that is not there, and one that takes too long, are coded errors', async () => {
  await assert.rejects(
    () => exec(['no-such-command-here'], { timeoutMs }),
    (error) => hasCode(error, 'unavailable'),
  );
  await assert.rejects(
    () => exec(['sleep', '60'], { timeoutMs: 50 }),
    (error) => hasCode(error, 'timeout'),
  );
});
