import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until } from '../support/poll.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const user = 'tidepool-tester';
const home = `/var/tmp/${user}`;
const removeLimitMs = 60_000;
const isRoot = process.getuid?.() === 0;

/** The command line and environment of a command as that user, as after a login. */
function asUser(command: readonly string[]): { program: string; args: string[]; env: NodeJS.ProcessEnv } {
  const env = { HOME: home, USER: user, LOGNAME: user, PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' };
  return { program: '/usr/sbin/runuser', args: [`--user=${user}`, '--', ...command], env };
}

async function makeUser(): Promise<void> {
  await removeUser();
  await run('useradd', ['--create-home', '--home-dir', home, '--shell', '/bin/sh', user]);
  const checkout = join(home, 'tidepool');
  await mkdir(checkout);
  // Caches below node_modules change while others run.
  const filter = (path: string): boolean => !/\/node_modules\/\.[^/]*cache$/.test(path);
  for (const name of await readdir(root)) {
    if (name === '.git') continue;
    await cp(join(root, name), join(checkout, name), { recursive: true, verbatimSymlinks: true, filter });
  }
  await run('chown', ['-R', `${user}:`, home]);
}

async function removeUser(): Promise<void> {
  // Its libvirt daemon and what else it left running would keep the account in use.
  await run('pkill', ['-KILL', '-u', user]).catch(() => undefined);
  await run('userdel', ['--force', user]).catch(() => undefined);
  // What was killed is ending still, and may make a last file in a folder that is being emptied.
  const isRemoved = (): Promise<boolean> =>
    run('rm', ['-rf', home]).then(
      () => true,
      () => false,
    );
  await until(isRemoved, (is) => is, removeLimitMs);
}

const reason = 'this run is by an ordinary user already: all other tests show it';
test('an ordinary user builds the image and runs a job', {
  skip: isRoot ? false : reason,
  timeout: 1_000_000,
}, async () => {
  await makeUser();
  try {
    const tidepool = join(home, 'tidepool', 'tidepool');
    const { program, args, env } = asUser([tidepool, 'serve', '--port', '0']);
    const server = spawn(program, args, { env, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    server.stderr.on('data', (chunk) => {
      said += chunk;
    });
    const ended = once(server, 'exit');
    const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
    const ready = await Promise.race([lines.next(), ended.then(() => ({ value: 'it ended' }))]);
    assert.match(String(ready.value), /^ready http/, said);
    assert.match(said, /image built/, 'it was built by this user');

    const job = asUser([tidepool, 'run', join(home, 'tidepool/examples/jobs/hello.py'), '--out', join(home, 'out')]);
    const { stdout } = await run(job.program, job.args, { env: job.env, cwd: home });
    assert.match(stdout, /^Hello from job/);
    assert.deepEqual(await readdir(join(home, 'out')), ['hello.txt']);
    const { stdout: machines } = await run('pgrep', ['-u', user, '-f', 'qemu-system']);
    assert.match(machines, /^\d+\n$/, 'its VM runs as the user');

    // runuser keeps Ctrl-C for itself.
    await run('pkill', ['-INT', '-u', user, '-f', 'cmd/tidepool.ts serve']);
    const [code] = await ended;
    assert.equal(code, 0, said);
  } finally {
    await removeUser();
  }
});
