import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('./prepare-main.ts', import.meta.url));

/** Runs the preparation with a cache folder that cannot be made, and its standard output as the shell redirects it. */
function prepare(shell: string): Promise<{ stdout: string; stderr: string }> {
  const line = `{ "$0" "$1" /dev/null/cache; echo "code $?" >&3; } ${shell}`;
  return new Promise((resolve) => {
    execFile('sh', ['-c', `exec 3>&1; ${line}`, process.execPath, main], (_, stdout, stderr) =>
      resolve({ stdout, stderr }),
    );
  });
}

test('the preparation of a server that was killed meanwhile ends without a crash in the log', async () => {
  assert.deepEqual(await prepare('| true'), { stdout: 'code 0\n', stderr: '' });
});

test('the preparation hands an error over as one line of JSON', async () => {
  const { stdout, stderr } = await prepare('');
  const [line = '', code] = stdout.split('\n');
  assert.match(JSON.parse(line).error.message, /cache/);
  assert.deepEqual({ code, stderr }, { code: 'code 0', stderr: '' });
});
