import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Result } from './run-file.ts';

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url));

/** Through a process of its own: node:test refuses to run test files from within one, which it tells by this variable. */
async function outcome(name: string, timeLimitMs = 30_000): Promise<Result> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = [fixture('run-one'), fixture(name), String(timeLimitMs)];
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
