import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { ballastFile, folderDisk, watchedDisk } from './disk.ts';

const root = await mkdtemp(join(tmpdir(), 'tidepool-disk-'));
after(() => rm(root, { recursive: true }));
let folder = '';
beforeEach(async () => {
  folder = join(await mkdtemp(join(root, 'x-')), 'data');
  await mkdir(folder);
});

test('the inodes of a file system are part of its room, where it has a number of them', async () => {
  const { files } = await statfs(folder);
  const { inodes } = await folderDisk(folder).space();
  assert.equal(inodes?.total, files === 0 ? undefined : files);
  assert.equal((await folderDisk('/proc').space()).inodes, undefined);
});

test('a folder that was moved away does not answer, nor does another one in its place, until it is back', async () => {
  const database = join(folder, 'tidepool.db');
  await writeFile(database, '');
  const disk = await watchedDisk(folder, [folder, database]);
  await disk.space();
  await rename(folder, `${folder}.moved`);
  await assert.rejects(disk.space(), { code: 'ENOENT' });
  await mkdir(folder);
  await assert.rejects(disk.space(), /data is not the one that was opened: another is in its place/);
  await rm(folder, { recursive: true });
  await rename(`${folder}.moved`, folder);
  await disk.space();
  await rename(database, `${database}.moved`);
  await assert.rejects(disk.space(), { code: 'ENOENT' });
  await writeFile(database, '');
  await assert.rejects(disk.space(), /tidepool\.db is not the one that was opened/);
});

test('a folder in the place of the ballast is no ballast, and says so when it is to be written', async () => {
  const path = join(folder, 'ballast');
  await mkdir(path);
  const ballast = await ballastFile(path);
  assert.equal(ballast.sizeBytes, 0);
  await assert.rejects(ballast.fill(1024), { code: 'EISDIR' });
  assert.ok((await stat(path)).isDirectory());
});
