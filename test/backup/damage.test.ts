import assert from 'node:assert/strict';
import { mkdir, open, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { backUp } from '../../src/backup/backup.ts';
import { checkBackups } from '../../src/backup/check.ts';
import { listBackups } from '../../src/backup/manifest.ts';
import { restore } from '../../src/backup/restore.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { databaseTools, inWorkFolder, type Served, serveFolder } from './support.ts';

const inFolder = (root: string, blob: string): string => join(root, blob.slice(0, 2), blob);
const blobOf = ({ dataDir }: Served, blob: string): string => inFolder(join(dataDir, 'blobs'), blob);
const objectOf = (dir: string, blob: string): string => inFolder(join(dir, 'objects'), blob);
const restoring = (dir: string, dataDir: string) => ({
  ...{ dir, dataDir, id: undefined, newInstallationId: undefined, database: databaseTools },
});
const check = async (dir: string): Promise<readonly string[]> => (await checkBackups(dir, databaseTools)).problems;

/** As on another disk, where an object is no link to the server's file. */
async function unlink(path: string): Promise<void> {
  const content = await readFile(path);
  await rm(path);
  await writeFile(path, content);
}

test('a damaged blob is named and keeps the older backups, until it is whole again', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    const blob = await served.addJob('a', 'print(1)');
    const path = `blobs/${blob.slice(0, 2)}/${blob}`;
    const first = await backUp(served.options(dir));
    await truncate(blobOf(served, blob), 0);
    const second = await backUp(served.options(dir, { keep: 1 }));
    assert.deepEqual(second.losses, [{ path, fault: 'damaged', isBacked: false }]);
    assert.deepEqual([second.missingBlobs, second.removed], [[blob], []]);
    await assert.rejects(restore(restoring(dir, join(folder, 'x'))), /had lost it.*--allow-missing/);
    await served.addJob('b', 'print(1)');
    const third = await backUp(served.options(dir));
    assert.deepEqual(third.losses, []);
    for (const { id } of [first, third]) {
      const dataDir = join(folder, id);
      await restore({ ...restoring(dir, dataDir), id });
      assert.equal(await readFile(inFolder(join(dataDir, 'blobs'), blob), 'utf8'), 'print(1)');
    }
    await backUp(served.options(dir, { keep: 2 }));
    // The one that lacks the blob does not count.
    assert.equal((await listBackups(dir)).length, 2);
    assert.deepEqual(await check(dir), []);
  }));

test('a blob that was damaged before its first backup is no part of it', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const flipped = await served.addJob('a', 'print(1)');
    await writeFile(blobOf(served, flipped), 'print(9)');
    const unreadable = await served.addJob('b', 'print(2)');
    await rm(blobOf(served, unreadable));
    // A read of this one fails as that of a bad sector does.
    await symlink('/proc/self/mem', blobOf(served, unreadable));
    const dir = join(folder, 'backups');
    const { losses, missingBlobs } = await backUp(served.options(dir));
    assert.deepEqual(
      losses.map(({ fault }) => fault),
      ['damaged', 'damaged'],
    );
    assert.deepEqual([...missingBlobs].sort(), [flipped, unreadable].sort());
    assert.equal((await check(dir)).length, 2);
  }));

test('what the server has lost and an earlier backup has whole is in the next one, and is named', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    const cut = await served.addJob('a', 'print(1)', 1);
    const gone = await served.addJob('b', 'print(2)', 1);
    await served.addJob('c', 'print(3)', 1);
    await backUp(served.options(dir));
    for (const blob of [cut, gone]) await unlink(objectOf(dir, blob));
    await truncate(blobOf(served, cut), 0);
    await rm(blobOf(served, gone));
    await rename(join(served.dataDir, 'logs'), join(served.dataDir, 'logs.x'));
    await mkdir(join(served.dataDir, 'logs'));
    await served.store.jobs.cancel('c', 1);
    await served.store.storage.deleteJob('c');
    const { losses } = await backUp(served.options(dir, { keep: 1 }));
    assert.deepEqual(losses.map(({ path, fault, isBacked }) => `${path} ${fault} ${isBacked}`).sort(), [
      ...[`blobs/${cut.slice(0, 2)}/${cut} damaged true`, `blobs/${gone.slice(0, 2)}/${gone} missing true`].sort(),
      ...['logs/a-1.frames missing true', 'logs/b-1.frames missing true'],
    ]);
    const dataDir = join(folder, 'new');
    await restore(restoring(dir, dataDir));
    assert.equal(await readFile(inFolder(join(dataDir, 'blobs'), gone), 'utf8'), 'print(2)');
    assert.equal(await readFile(join(dataDir, 'logs', 'a-1.frames'), 'utf8'), 'log of a\n');
    await assert.rejects(readFile(join(dataDir, 'logs', 'c-1.frames')), 'its job is deleted');
  }));

test('a log that is shorter than before is named and keeps the older backups', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    await served.addJob('a', 'print(1)', 1);
    await backUp(served.options(dir));
    await truncate(join(served.dataDir, 'logs', 'a-1.frames'), 0);
    const { losses, removed } = await backUp(served.options(dir, { keep: 1 }));
    assert.deepEqual(losses, [{ path: 'logs/a-1.frames', fault: 'damaged', isBacked: false }]);
    assert.deepEqual(removed, []);
  }));

test('a check moves damaged contents aside, and the next backup adds them again', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    const blob = await served.addJob('a', 'print(1)');
    await backUp(served.options(dir));
    await unlink(objectOf(dir, blob));
    await writeFile(objectOf(dir, blob), 'print(9)');
    for (const shard of await readdir(join(dir, 'objects'))) {
      for (const name of await readdir(join(dir, 'objects', shard))) {
        const path = join(dir, 'objects', shard, name);
        if ((await readFile(path, 'utf8')) === 'log of a\n') await writeFile(path, 'log of b\n');
      }
    }
    assert.equal((await check(dir)).filter((problem) => /content has changed/.test(problem)).length, 2);
    assert.match((await check(dir)).join('\n'), /an earlier check has found it damaged.*damaged\//);
    assert.equal((await readdir(join(dir, 'damaged'))).length, 2);
    assert.deepEqual((await backUp(served.options(dir))).losses, []);
    assert.deepEqual(await check(dir), []);
    assert.deepEqual(await readdir(join(dir, 'damaged')), []);
  }));

test('a damaged backup is restored without what is damaged when that is asked for, naming who loses it', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    const blob = await served.addJob('a', 'print(1)');
    await served.addJob('b', 'print(1)');
    const whole = await served.addJob('c', 'print(3)');
    const { id } = await backUp(served.options(dir));
    await unlink(objectOf(dir, blob));
    await truncate(objectOf(dir, blob), 0);
    const dataDir = join(folder, 'new');
    await assert.rejects(restore(restoring(dir, dataDir)), (error) => {
      return (
        hasCode(error, 'conflict') && /content has changed.*an earlier one, or .*--allow-missing/.test(error.message)
      );
    });
    const result = await restore({ ...restoring(dir, dataDir), allowMissing: true });
    assert.equal(result.id, id);
    assert.deepEqual(
      result.missing.map(({ users }) => users),
      [['job a', 'job b']],
    );
    assert.equal(await readFile(inFolder(join(dataDir, 'blobs'), whole), 'utf8'), 'print(3)');
    await assert.rejects(readFile(inFolder(join(dataDir, 'blobs'), blob)));
  }));

for (const name of ['logs', 'blobs', 'admin.token'])
  test(`a data folder without ${name} is not backed up, and the older backups stay`, () =>
    inWorkFolder(async (folder) => {
      await using served = await serveFolder(folder);
      const dir = join(folder, 'backups');
      await served.addJob('a', 'print(1)');
      const first = await backUp(served.options(dir));
      await rename(join(served.dataDir, name), join(folder, 'away'));
      await assert.rejects(backUp(served.options(dir, { keep: 1 })), {
        code: 'conflict',
        message: new RegExp(`has no ${name}, which a server always makes; the backups that are there stay`),
      });
      assert.deepEqual(await listBackups(dir), [first.id]);
      assert.deepEqual(await check(dir), []);
    }));

test('a list of backups that cannot be read is not taken for none', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    await served.addJob('a', 'print(1)');
    await backUp(served.options(dir));
    const objects = await readdir(join(dir, 'objects'), { recursive: true });
    await rename(join(dir, 'backups'), join(folder, 'away'));
    await writeFile(join(dir, 'backups'), '');
    await assert.rejects(backUp(served.options(dir, { keep: 1 })), {
      code: 'invalid',
      message: /^the folder of backups .* cannot be read: a part of its path is a file/,
    });
    const after = await readdir(join(dir, 'objects'), { recursive: true });
    assert.deepEqual(
      objects.filter((name) => !after.includes(name)),
      [],
    );
  }));

test('a backup of a damaged database is named and keeps the older ones', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    await served.addJob('a', 'print(1)');
    const options = served.options(dir, { keep: 1 });
    await backUp(options);
    const takeDatabase = async (): Promise<string> => {
      const path = await options.takeDatabase();
      await using file = await open(path, 'r+');
      // Its header says that three pages are free.
      await file.write(Buffer.from([0, 0, 0, 3]), 0, 4, 36);
      return path;
    };
    const { databaseProblems, removed } = await backUp({ ...options, takeDatabase });
    assert.match(databaseProblems.join(), /[Ff]reelist/);
    assert.deepEqual(removed, []);
  }));
