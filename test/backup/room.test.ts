import assert from 'node:assert/strict';
import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { backUp } from '../../src/backup/backup.ts';
import { checkBackups } from '../../src/backup/check.ts';
import { listBackups } from '../../src/backup/manifest.ts';
import { restore } from '../../src/backup/restore.ts';
import { defaultReserve } from '../../src/domain/disk.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { fill, smallDisk } from '../support/small-disk.ts';
import { databaseTools, inWorkFolder, serveFolder } from './support.ts';

const MiB = 1024 ** 2;

const disk = await smallDisk();

test(
  'a backup for which its disk has no room says so, leaves the ones before whole, and takes up nothing',
  {
    skip: typeof disk === 'string' ? disk : false,
  },
  () =>
    inWorkFolder(async (folder) => {
      assert.ok(typeof disk !== 'string');
      await using mounted = disk;
      const dir = join(mounted.folder, 'backups');
      await using served = await serveFolder(folder);
      const freeMiB = async (): Promise<number> => {
        const { bavail, bsize } = await statfs(mounted.folder);
        return Math.floor((bavail * bsize) / MiB);
      };
      const refused = (text: RegExp) => (error: unknown) =>
        hasCode(error, 'exhausted') && error.details.isDiskFull === true && text.test(error.message);
      const isWhole = async (): Promise<void> => {
        assert.deepEqual(await listBackups(dir), [first.id]);
        assert.deepEqual((await checkBackups(dir, databaseTools)).problems, []);
      };
      await served.addJob('a', 'print(1)');
      const first = await backUp(served.options(dir));

      await fill(join(mounted.folder, 'somebody-elses'));
      await assert.rejects(backUp(served.options(dir)), refused(/backups that are there are whole/));
      await isWhole();
      // A full disk is no reason not to restore from it.
      const saved = join(folder, 'saved');
      await restore({ dir, id: first.id, dataDir: saved, newInstallationId: undefined, database: databaseTools });
      await rm(join(mounted.folder, 'somebody-elses'));

      // More than the disk has, in files of which each fits.
      for (let i = 0; i < 12; i += 1) await served.addJob(`b-${i}`, `${i}`.padEnd(12_000_000, 'x'));
      const before = await freeMiB();
      for (const reserve of [{ minBytes: 0, percent: 0 }, defaultReserve]) {
        await assert.rejects(backUp(served.options(dir, { reserve, keep: 1 })), refused(/MiB are free|is full/));
        await isWhole();
        assert.ok((await freeMiB()) >= before - 1, `${await freeMiB()} MiB are free, ${before} were`);
      }
      const target = join(mounted.folder, 'restored');
      await restore({ dir, id: first.id, dataDir: target, newInstallationId: undefined, database: databaseTools });
      const store = await openSqliteStore(join(target, 'tidepool.db'));
      assert.equal((await store.jobs.list({ limit: 9 })).length, 1);
      await store.close();
      await rm(target, { recursive: true });

      const elsewhere = join(folder, 'elsewhere');
      const large = await backUp(served.options(elsewhere));
      const restoring = { dir: elsewhere, id: large.id, newInstallationId: undefined, database: databaseTools };
      await assert.rejects(restore({ ...restoring, dataDir: target }), refused(/nothing is restored: the disk of/));
      assert.ok((await freeMiB()) >= before - 1);
    }),
);
