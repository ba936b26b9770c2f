import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { backUp } from '../../src/backup/backup.ts';
import { checkBackups } from '../../src/backup/check.ts';
import { listBackups, manifestPath, readManifest } from '../../src/backup/manifest.ts';
import { restore } from '../../src/backup/restore.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { lockFolder } from '../../src/sqlite/copy.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { databaseTools, inWorkFolder, serveFolder } from './support.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const restored = { id: undefined, newInstallationId: undefined, database: databaseTools };
const isConflict = (error: unknown): boolean => hasCode(error, 'conflict');

test('what a running server has is backed up, checked and restored', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    const blob = await served.addJob('a', 'print(1)');
    const configFile = join(folder, 'my.json');
    await writeFile(configFile, '{"port":1}');
    const result = await backUp(served.options(dir, { configFile }));
    assert.deepEqual([result.files, result.missingBlobs], [5, []]);
    assert.deepEqual((await checkBackups(dir, databaseTools)).problems, []);
    await served.addJob('b', 'print(2)');
    const dataDir = join(folder, 'new');
    assert.equal((await restore({ dir, dataDir, ...restored })).id, result.id);
    assert.equal(await readFile(join(dataDir, 'blobs', blob.slice(0, 2), blob), 'utf8'), 'print(1)');
    assert.equal(await readFile(join(dataDir, 'logs', 'a-1.frames'), 'utf8'), 'log of a\n');
    assert.equal(await readFile(join(dataDir, 'config.json'), 'utf8'), '{"port":1}');
    assert.equal(await readFile(join(dataDir, 'admin.token'), 'utf8'), `${'t'.repeat(43)}\n`);
    for (const name of ['tidepool.db', 'admin.token'])
      assert.equal((await stat(join(dataDir, name))).mode & 0o777, 0o600, name);
    assert.deepEqual((await readdir(dataDir)).sort(), ['admin.token', 'blobs', 'config.json', 'logs', 'tidepool.db']);
    const store = await openSqliteStore(join(dataDir, 'tidepool.db'));
    assert.deepEqual(
      (await store.jobs.list({ limit: 9 })).map(({ id }) => id),
      ['a'],
    );
    assert.equal(await store.setting('installation-id', () => 'made anew'), 'the-original');
    await store.close();
  }));

test('a backup is consistent while jobs are submitted', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    let goesOn = true;
    const submitting = (async () => {
      for (let i = 0; goesOn; i += 1) {
        await served.addJob(`job-${i}`, `print(${i})`);
        await served.appendLog(`job-${i}`, 'more');
      }
    })();
    for (let i = 0; i < 4; i += 1) await backUp(served.options(dir));
    goesOn = false;
    await submitting;
    assert.deepEqual((await checkBackups(dir, databaseTools)).problems, []);
  }));

test('a second backup adds only what is new; the oldest go, with what only they needed', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    const big = 'x'.repeat(500_000);
    await served.addJob('a', big);
    const first = await backUp(served.options(dir));
    assert.ok(first.addedBytes > 500_000);
    await served.addJob('b', 'print(2)');
    await served.appendLog('a', 'more');
    const second = await backUp(served.options(dir));
    assert.ok(second.addedBytes < 400_000, `${second.addedBytes}`);
    const third = await backUp(served.options(dir, { keep: 1 }));
    assert.deepEqual(third.removed, [first.id, second.id]);
    assert.deepEqual(await listBackups(dir), [third.id]);
    const objects = (await readdir(join(dir, 'objects'), { recursive: true })).filter((name) => name.includes('/'));
    const { files } = await readManifest(dir, third.id);
    assert.equal(objects.length, new Set(files.map((file) => file.sha256)).size);
    assert.deepEqual((await checkBackups(dir, databaseTools)).problems, []);
  }));

test('a blob that goes while its backup is made is no part of it; one that is lost is told', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    const options = served.options(dir);
    const gone = sha256('print(1)');
    let copies = 0;
    const takeDatabase = async () => {
      copies += 1;
      if (copies === 1) await served.addJob('a', 'print(1)');
      const path = await options.takeDatabase();
      if (copies === 1) {
        await served.store.jobs.cancel('a', 1);
        await served.store.storage.deleteJob('a');
        await rm(join(served.dataDir, 'blobs', gone.slice(0, 2), gone));
      }
      return path;
    };
    assert.deepEqual((await backUp({ ...options, takeDatabase })).missingBlobs, []);
    assert.equal(copies, 2);
    const lost = await served.addJob('b', 'print(2)');
    await rm(join(served.dataDir, 'blobs', lost.slice(0, 2), lost));
    assert.deepEqual((await backUp(options)).missingBlobs, [lost]);
    assert.match((await checkBackups(dir, databaseTools)).problems.join(), /had lost the blob/);
  }));

test('damage of every kind is found by the check, and is not restored', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    await served.addJob('a', 'print(1)');
    const kinds = [
      ['flipped', (path: string) => writeFile(path, 'print(9)'), /content has changed/],
      ['cut', (path: string) => truncate(path, 3), /has 3 bytes, not 8/],
      ['gone', (path: string) => rm(path), /is missing/],
    ] as const;
    for (const [name, damage, told] of kinds) {
      const dir = join(folder, name);
      // On another file system there is no link to the server's own blob.
      const { id } = await backUp(served.options(dir));
      const blob = sha256('print(1)');
      const path = join(dir, 'objects', blob.slice(0, 2), blob);
      const whole = await readFile(path);
      await rm(path);
      await writeFile(path, whole);
      await damage(path);
      assert.match((await checkBackups(dir, databaseTools)).problems.join(), told, name);
      const dataDir = join(folder, `new-${name}`);
      await assert.rejects(restore({ dir, dataDir, ...restored }), isConflict, name);
      await assert.rejects(stat(dataDir));
      await truncate(manifestPath(dir, id), 400);
      assert.match((await checkBackups(dir, databaseTools)).problems.join(), /manifest .* is damaged/);
      await assert.rejects(restore({ dir, dataDir, ...restored }), isConflict);
    }
  }));

test('a restore never writes into a folder that has something in it', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    await assert.rejects(restore({ dir, dataDir: join(folder, 'x'), ...restored }), (error) =>
      hasCode(error, 'not_found'),
    );
    await backUp(served.options(dir));
    await assert.rejects(restore({ dir, dataDir: served.dataDir, ...restored }), isConflict);
    const empty = join(folder, 'empty');
    await mkdir(empty);
    await restore({ dir, dataDir: empty, id: undefined, newInstallationId: 'a-copy', database: databaseTools });
    const store = await openSqliteStore(join(empty, 'tidepool.db'));
    assert.equal(await store.setting('installation-id', () => 'made anew'), 'a-copy');
    await store.close();
  }));

test('one folder has one backup at a time', () =>
  inWorkFolder(async (folder) => {
    await using served = await serveFolder(folder);
    const dir = join(folder, 'backups');
    await mkdir(dir);
    const unlock = lockFolder(dir);
    await assert.rejects(backUp(served.options(dir)), isConflict);
    unlock();
    await backUp(served.options(dir));
  }));
