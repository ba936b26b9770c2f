import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { backUp } from '../../src/backup/backup.ts';
import { openDraft } from '../../src/backup/draft.ts';
import { restore } from '../../src/backup/restore.ts';
import { prepareDataFolder, stoppedDatabase } from '../../src/config/data-folder.ts';
import { databaseKind } from '../../src/sqlite/recognize.ts';
import { smallDisk } from '../support/small-disk.ts';
import { databaseTools, inWorkFolder, serveFolder } from './support.ts';

const run = promisify(execFile);
const disk = await smallDisk();
const skip = typeof disk === 'string' ? disk : false;

interface Made {
  readonly folder: string;
  readonly target: string;
  restore(): Promise<unknown>;
}

/** A backup with one job, and where it is to be restored to. */
async function withBackup(body: (made: Made) => Promise<void>, target?: string): Promise<void> {
  await inWorkFolder(async (folder) => {
    const dir = join(folder, 'backups');
    await using served = await serveFolder(folder);
    await served.addJob('a', 'print(1)');
    await backUp(served.options(dir));
    const dataDir = target ?? join(folder, 'new');
    const options = { dir, dataDir, id: undefined, newInstallationId: undefined, database: databaseTools };
    await body({ folder, target: dataDir, restore: () => restore(options) });
  });
}

const content = ['admin.token', 'blobs', 'logs', 'tidepool.db'];

test('a backup is restored to a fresh disk', { skip }, async () => {
  assert.ok(typeof disk !== 'string');
  await using mounted = disk;
  await withBackup(async (made) => {
    await made.restore();
    assert.deepEqual((await readdir(mounted.folder)).sort(), [...content, 'lost+found'].sort());
    await prepareDataFolder(mounted.folder, databaseKind);
    assert.deepEqual(await readdir(dirname(mounted.folder)), ['disk', 'disk.img'], 'nothing is beside it');
  }, mounted.folder);
});

test('a backup is restored to an empty mount point', { skip }, () =>
  inWorkFolder(async (folder) => {
    const target = join(folder, 'mounted');
    await mkdir(target);
    await run('mount', ['-t', 'tmpfs', 'none', target]);
    try {
      await withBackup(async (made) => {
        await made.restore();
        assert.deepEqual((await readdir(target)).sort(), content);
      }, target);
    } finally {
      await run('umount', ['-l', target]);
    }
  }),
);

test('a folder that a restore did not make stays', () =>
  withBackup(async ({ target, restore }) => {
    const inside = join(target, '.restoring');
    for (const folder of [inside, `${target}.restoring`]) {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'mine'), 'precious');
    }
    await assert.rejects(restore(), { code: 'conflict', message: /was not made by a restore; move it away/ });
    assert.equal(await readFile(join(inside, 'mine'), 'utf8'), 'precious');
    await rm(inside, { recursive: true });
    await restore();
    assert.equal(await readFile(join(`${target}.restoring`, 'mine'), 'utf8'), 'precious');
  }));

test('no server starts on a folder that is half restored, and another restore goes on with it', () =>
  withBackup(async ({ target, restore }) => {
    const draft = await openDraft(target, databaseTools);
    await writeFile(join(draft.path, 'tidepool.db'), 'of another backup');
    for (const use of [prepareDataFolder, stoppedDatabase])
      await assert.rejects(use(target, databaseKind), {
        code: 'conflict',
        message: /is only half restored.*tidepool restore/,
      });
    await assert.rejects(restore(), { code: 'conflict', message: /another backup or restore works/ });
    await draft.close();
    await writeFile(join(target, '.restoring', 'tidepool-restore'), '["blobs","admin.token","tidepool.db"]');
    await mkdir(join(target, 'blobs'));
    await writeFile(join(target, 'blobs', 'old'), '');
    await writeFile(join(target, 'notes.txt'), 'mine');
    await assert.rejects(restore(), { code: 'conflict', message: /is not empty \(notes\.txt\)/ });
    await rm(join(target, 'notes.txt'));
    await restore();
    assert.deepEqual((await readdir(target)).sort(), content);
    await assert.rejects(stat(join(target, 'blobs', 'old')));
    await prepareDataFolder(target, databaseKind);
  }));

test('what a restore has left that was killed at its very end goes with the next start', () =>
  withBackup(async ({ target, restore }) => {
    await restore();
    await mkdir(join(target, '.restoring'));
    await writeFile(join(target, '.restoring', 'lock'), '');
    await assert.rejects(restore(), { message: /is not empty/ });
    await prepareDataFolder(target, databaseKind);
    assert.deepEqual((await readdir(target)).sort(), content);
  }));
