import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';

const script = `
  const { watchStandardStreams } = await import(${JSON.stringify(new URL('./stdio.ts', import.meta.url).href)});
  watchStandardStreams(() => process.argv[1] === 'serve');
  process.exitCode = 0;
  const words = (await import('node:fs')).readFileSync(0, 'utf8').split(' ');
  for (let i = 0; i < 50; i += 1) {
    for (const name of words) process[name.trim()].write('line\\n');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  process.exitCode = 3;`;

/** Runs a command that writes to these streams, by a shell that does something with them. */
function ends(streams: string, shell: string, name: string): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const line = `printf '${streams}' | { "$0" --input-type=module -e "$1" "$2"; echo "code $?" >&3; } ${shell}`;
    const child = execFile('sh', ['-c', `exec 3>&1; ${line}`, process.execPath, script, name], (_, stdout, stderr) => {
      const code = Number(/^code (\d+)$/m.exec(stdout)?.[1]);
      resolve({ code, stdout: stdout.replace(/^code.*\n/m, ''), stderr });
    });
    child.stdin?.end();
  });
}

test('a reader that leaves ends a command without a word', async () => {
  assert.deepEqual(await ends('stdout', '| head -1', 'job'), { code: 0, stdout: 'line\n', stderr: '' });
  assert.deepEqual(await ends('stderr', '2>&1 | head -1', 'job'), { code: 0, stdout: 'line\n', stderr: '' });
});

test('a full disk is told where that is still possible, and by the exit code', async () => {
  const output = await ends('stdout', '>/dev/full', 'job');
  assert.equal(output.code, 75);
  assert.match(output.stderr, /^tidepool: standard output: write failed: no space left on device \(ENOSPC\)\n$/);
  assert.equal((await ends('stderr', '2>/dev/full', 'job')).code, 75);
});

test('a command with more to see to goes on without its streams', async () => {
  for (const shell of ['>/dev/full 2>/dev/full', '2>&1 | head -1', '2>&1 | true'])
    assert.equal((await ends('stdout stderr', shell, 'serve')).code, 3, shell);
});
