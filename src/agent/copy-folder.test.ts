import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { type TestContext, test } from 'node:test';
import { type ErrorCode, hasCode } from '../domain/errors.ts';
import { copyFolder } from './copy-folder.ts';

/** A runtime with files in /app, a work folder, and a secret of the guest beside both. */
async function places(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'tidepool-copy-'));
  t.after(() => rm(root, { recursive: true }));
  const [runtime, work, secret] = [join(root, 'runtime'), join(root, 'work'), join(root, 'secret')];
  for (const folder of [join(runtime, 'app', 'deep'), work, secret]) await mkdir(folder, { recursive: true });
  await writeFile(join(secret, 'key'), 'secret');
  await writeFile(join(runtime, 'app', 'test.py'), 'print(1)', { mode: 0o755 });
  await writeFile(join(runtime, 'app', 'deep', 'x'), 'x');
  const into = { folder: work, owner: getuid?.() ?? 0, maxBytes: 1_000_000, maxFiles: 20 };
  return { runtime, work, secret, into };
}

const rejects = (made: Promise<void>, code: ErrorCode) => assert.rejects(made, (error) => hasCode(error, code));

test('what the runtime has in the folder is copied; what is there already stays', async (t) => {
  const { runtime, work, into } = await places(t);
  await mkdir(join(work, 'out'));
  await writeFile(join(work, 'mine'), 'mine');
  await mkdir(join(runtime, 'app', 'out'));
  await writeFile(join(runtime, 'app', 'out', 'old'), 'old');
  await writeFile(join(runtime, 'app', 'mine'), 'theirs');
  await copyFolder(runtime, '/app', into);
  assert.deepEqual((await readdir(work)).sort(), ['deep', 'mine', 'out', 'test.py']);
  assert.equal(await readFile(join(work, 'mine'), 'utf8'), 'mine');
  assert.equal(await readFile(join(work, 'out', 'old'), 'utf8'), 'old');
  assert.equal(await readFile(join(work, 'deep', 'x'), 'utf8'), 'x');
  assert.equal((await lstat(join(work, 'test.py'))).mode & 0o111, 0o111);
});

test('links are copied as links, on the way they are none, and pipes are left out', async (t) => {
  const { runtime, work, secret, into } = await places(t);
  await symlink(secret, join(runtime, 'app', 'out'));
  await symlink(join(secret, 'key'), join(runtime, 'app', 'key'));
  await symlink(secret, join(runtime, 'elsewhere'));
  execFileSync('mkfifo', [join(runtime, 'app', 'pipe')]);
  await copyFolder(runtime, '/app', into);
  assert.equal(await readlink(join(work, 'key')), join(secret, 'key'));
  assert.equal(await readlink(join(work, 'out')), secret);
  assert.ok(!(await readdir(work)).includes('pipe'));
  await rejects(copyFolder(runtime, '/elsewhere', into), 'invalid');
  await rejects(copyFolder(runtime, '/elsewhere/key', into), 'invalid');
  await rejects(copyFolder(runtime, '/none', into), 'invalid');
});

test('more than the limits is refused', async (t) => {
  for (const limit of [{ maxFiles: 2 }, { maxBytes: 5_000 }]) {
    const { runtime, into } = await places(t);
    await rejects(copyFolder(runtime, '/app', { ...into, ...limit }), 'too_large');
  }
});
