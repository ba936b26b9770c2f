import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Result } from './run-file.ts';

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url));

/** Through a process of its own: node:test refuses to run test files from within one, which it tells by this variable. */
async function outcome(name: string, timeLimitMs = 30_000, hookGraceMs = 30_000): Promise<Result> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = [fixture('run-one'), fixture(name), String(timeLimitMs), String(hookGraceMs)];
  return JSON.parse((await promisify(execFile)(process.execPath, args, { env })).stdout);
}

test('tests are counted, groups are not, and a failure comes with its error and what was printed', async () => {
  const result = await outcome('mixed');
  assert.deepEqual([result.passed, result.failed, result.skipped], [1, 1, 1]);
  assert.match(result.report, /bad \(line 6\)/);
  assert.match(result.report, /arithmetic holds/);
  assert.match(result.report, /printed before the failure/);
});

test('a file that does not end has failed after its time limit', async () => {
  let result = await outcome('hanging', 2_000);
  // On a slow machine its test has not begun by then.
  if (result.passed === 0) result = await outcome('hanging', 20_000);
  assert.deepEqual([result.passed, result.failed], [1, 1]);
  assert.match(result.report, /hanging\.ts: stopped\nit was not done after 20? s/);
});

test('a file that cannot be loaded, and one without tests, have failed', async () => {
  const broken = await outcome('broken');
  assert.equal(broken.failed, 1);
  assert.match(broken.report, /cannot be loaded/);
  const empty = await outcome('empty');
  assert.deepEqual([empty.passed, empty.failed], [0, 1]);
  assert.match(empty.report, /no test in it/);
});

test('a before hook that fails is shown with its stack, and is the cause of whatever it cancelled', async () => {
  const { passed, failed, report } = await outcome('hook-of-file');
  // The first test has the error of the hook itself, and the group with its test has it once more.
  assert.deepEqual([passed, failed], [0, 3]);
  assert.match(report, /a hook of one \(line 6\)\nError: the machine did not start\n +at .*hook-of-file\.ts:4/);
  assert.match(report, /a before hook of group \(line 7\)\nError: the machine did not start\n +at /);
  assert.match(
    report,
    /two \(line 8\)\nit was cancelled, because the before hook of group failed: the machine did not/,
  );
  assert.doesNotMatch(report, /did not finish before its parent/);
});

test('a file that hangs after its hook failed is stopped soon, and the rest of it has run', async () => {
  const { passed, failed, report, elapsedMs } = await outcome('hook-of-group', 600_000, 3_000);
  assert.deepEqual([passed, failed], [1, 6]);
  assert.ok(elapsedMs < 300_000);
  assert.match(
    report,
    /a before hook of group \(line 3\)\nError: the machine did not start\n +at .*hook-of-group\.ts:6/,
  );
  for (const name of ['one', 'two', 'three', 'four'])
    assert.match(
      report,
      new RegExp(`: ${name} \\(line \\d+\\)\nit was cancelled, because the before hook of group failed`),
    );
  assert.match(report, /stopped\na hook failed, and the file did not end within 3 s after that/);
});

test('a hook after the tests that fails, and a group whose body throws, are failures though all tests pass', async () => {
  const { passed, failed, report } = await outcome('hooks-after');
  assert.deepEqual([passed, failed], [2, 4]);
  assert.match(report, /a hook of after a group \(line \d+\)\nError: cannot be removed\n +at .*hooks-after\.ts:/);
  assert.match(report, /a hook of each \(line \d+\)\nError: cannot be prepared\n +at /);
  assert.match(report, /broken group \(line \d+\)\nError: cannot be described\n +at /);
  assert.match(report, /a hook of the file itself\nError: cannot be closed\n +at /);
});
