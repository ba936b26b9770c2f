import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { backUp } from '../../src/backup/backup.ts';
import { checkBackups } from '../../src/backup/check.ts';
import { listBackups } from '../../src/backup/manifest.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { smallDisk } from '../support/small-disk.ts';
import { databaseTools, inWorkFolder, serveFolder } from './support.ts';

const disk = await smallDisk();
const skip = typeof disk === 'string' ? disk : false;

test('a disk that gets full in the middle of a backup costs that one, and the next one succeeds', { skip }, () =>
  inWorkFolder(async (folder) => {
    assert.ok(typeof disk !== 'string');
    await using mounted = disk;
    const dir = join(mounted.folder, 'backups');
    await using served = await serveFolder(folder);
    await served.addJob('a', 'print(1)');
    const first = await backUp(served.options(dir));
    await served.addJob('b', 'b'.repeat(3_000_000));
    const somebodyElses = join(mounted.folder, 'somebody-elses');
    const isRefused = (error: unknown): boolean =>
      hasCode(error, 'exhausted') &&
      /(is full|MiB are free).*; the backups that are there are whole/.test(error.message);
    const whole = served.options(dir);
    const moments: Record<string, Partial<typeof whole>> = {
      'when the database is copied': {
        async takeDatabase() {
          const path = await whole.takeDatabase();
          fillNow(somebodyElses);
          return path;
        },
      },
      'when the manifest is written': {
        now() {
          fillNow(somebodyElses);
          return whole.now();
        },
      },
    };
    for (const [moment, change] of Object.entries(moments)) {
      await assert.rejects(backUp({ ...whole, ...change }), isRefused, moment);
      assert.deepEqual(await listBackups(dir), [first.id]);
      await rm(somebodyElses);
      assert.deepEqual((await checkBackups(dir, databaseTools)).problems, []);
    }
    assert.deepEqual((await backUp(whole)).losses, []);
    const { problems, backups } = await checkBackups(dir, databaseTools);
    assert.deepEqual([problems, backups.length], [[], 2]);
  }),
);

/** Writes until not one byte fits any more, in the middle of something else. */
function fillNow(path: string): void {
  const file = openSync(path, 'a');
  for (let size = 1024 ** 2; size >= 1; size = Math.floor(size / 4)) {
    try {
      while (writeSync(file, Buffer.alloc(size, 1)) === size);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  }
  closeSync(file);
}
