import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { adminToken, readAdminToken, tokenKeeper } from './admin-token.ts';

async function inFolder(body: (folder: string, log: string[]) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-token-'));
  try {
    await body(folder, []);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a token is made once, for its owner only', () =>
  inFolder(async (folder, log) => {
    await assert.rejects(readAdminToken(folder), (error) => hasCode(error, 'unauthenticated'));
    const token = await adminToken(folder, (line) => log.push(line));
    assert.match(token, /^[\w-]{43}$/);
    assert.equal(await adminToken(folder, (line) => log.push(line)), token);
    assert.equal(await readAdminToken(folder), token);
    assert.equal((await stat(join(folder, 'admin.token'))).mode & 0o777, 0o600);
    assert.deepEqual(log, []);
  }));

for (const [what, content] of [
  ['empty', ''],
  ['blank', '\n \n'],
  ['cut off', 'abcdef'],
  ['zeroed', '\0'.repeat(44)],
] as const) {
  test(`a token file that is ${what} is no token: a new one is made, with a warning`, () =>
    inFolder(async (folder, log) => {
      const path = join(folder, 'admin.token');
      await writeFile(path, content);
      await chmod(path, 0o644);
      await assert.rejects(readAdminToken(folder), (error) => hasCode(error, 'unauthenticated'));
      const token = await adminToken(folder, (line) => log.push(line));
      assert.match(token, /^[\w-]{43}$/);
      assert.equal(await readFile(path, 'utf8'), `${token}\n`);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      assert.match(log.join(), /empty or damaged/);
    }));
}

test('a file that goes, or is emptied, while the server runs gets its token again at the second look', () =>
  inFolder(async (folder, log) => {
    const path = join(folder, 'admin.token');
    const token = await adminToken(folder, (line) => log.push(line));
    const look = tokenKeeper(folder, token, (line) => log.push(line));
    for (const spoil of [() => rm(path), () => writeFile(path, ''), () => writeFile(path, 'abc')]) {
      await look();
      await spoil();
      await look();
      await assert.rejects(readAdminToken(folder), /within 10 s/);
      await look();
      assert.equal(await readAdminToken(folder), token);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      assert.match(log.splice(0).join(), /written into it again/);
    }
    const gone = tokenKeeper(join(folder, 'moved-away'), token, (line) => log.push(line));
    await gone();
    for (const _ of [1, 2])
      await assert.rejects(gone(), {
        code: 'unavailable',
        message: /admin\.token cannot be written again \(ENOENT\)$/,
      });
    await writeFile(path, '');
    await look();
    await writeFile(path, 'x'.repeat(40));
    await look();
    await writeFile(path, '');
    await look();
    assert.deepEqual(log, [], 'a file that is being edited is left to its editor');
    assert.equal(await readFile(path, 'utf8'), '');
  }));
