import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const script = `
  const { reportStrayErrors } = await import(${JSON.stringify(new URL('./stray-errors.ts', import.meta.url).href)});
  reportStrayErrors((message) => process.stdout.write(message + '\\n'));
  Promise.reject(new Error('disk I/O error'));
  await new Promise((resolve) => setTimeout(resolve, 10));
  process.stdout.write('still here');
`;

test('an error that nobody awaits is logged with its stack and does not end the process', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  assert.match(stdout, /nobody handles.*disk I\/O error\n +at /);
  assert.match(stdout, /still here$/);
});
