import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { prepareDataFolder, stoppedDatabase } from './data-folder.ts';

const root = await mkdtemp(join(tmpdir(), 'tidepool-data-folder-'));
after(() => rm(root, { recursive: true }));
const noDatabase = () => 'none' as const;
let dataDir = '';
beforeEach(async () => {
  dataDir = await mkdtemp(join(root, 'data-'));
});

test('a folder that is not there is made for its owner alone', async () => {
  const made = join(dataDir, 'a', 'b');
  await prepareDataFolder(made, noDatabase);
  assert.equal((await stat(made)).mode & 0o777, 0o700);
});

test('a file in the place of the data folder is refused by its path', async () => {
  const file = join(dataDir, 'file');
  await writeFile(file, '');
  await assert.rejects(prepareDataFolder(file, noDatabase), {
    code: 'unavailable',
    message: /The data folder .*file cannot be used/,
  });
});

for (const name of ['blobs', 'blobs/tmp', 'logs', 'frontdoor']) {
  test(`a file named ${name} is refused by its path`, async () => {
    await mkdir(dirname(join(dataDir, name)), { recursive: true });
    await writeFile(join(dataDir, name), '');
    await assert.rejects(prepareDataFolder(dataDir, noDatabase), {
      code: 'conflict',
      message: /is a file, and must be a folder/,
    });
  });
}

for (const name of ['tidepool.db', 'tidepool.db-wal', 'admin.token']) {
  test(`a folder named ${name} is refused by its path`, async () => {
    await mkdir(join(dataDir, name));
    await assert.rejects(prepareDataFolder(dataDir, noDatabase), {
      code: 'conflict',
      message: /is a folder, and must be a file/,
    });
  });
}

for (const [folder, name] of [
  ['blobs', '0a'],
  ['logs', 'job-1.frames'],
] as const) {
  test(`files in ${folder} without their database are not taken for those of a first start`, async () => {
    await mkdir(join(dataDir, folder, 'tmp'), { recursive: true });
    await prepareDataFolder(dataDir, noDatabase);
    await mkdir(join(dataDir, folder, name));
    for (const kind of ['none', 'log-only', 'unused'] as const)
      await assert.rejects(
        prepareDataFolder(dataDir, () => kind),
        { code: 'conflict', message: /has files of jobs, and its database .* is missing or empty/ },
        kind,
      );
    await prepareDataFolder(dataDir, () => 'ours');
  });
}

test('the database of a stopped server is that of an installation', async () => {
  const path = join(dataDir, 'tidepool.db');
  assert.equal(await stoppedDatabase(dataDir, () => 'ours'), path);
  await assert.rejects(stoppedDatabase(dataDir, noDatabase), { code: 'not_found' });
  for (const kind of ['log-only', 'unused', 'foreign'] as const)
    await assert.rejects(
      stoppedDatabase(dataDir, () => kind),
      { code: 'conflict' },
      kind,
    );
});

test('secrets that were opened to others are taken from them at a start', async () => {
  const files = ['admin.token', 'tidepool.db.before-0012-years'].map((name) => join(dataDir, name));
  const folders = ['blobs', 'logs', 'frontdoor', 'backup'].map((name) => join(dataDir, name));
  for (const file of files) await writeFile(file, 'secret');
  for (const folder of folders) await mkdir(folder);
  for (const path of [...files, ...folders]) await chmod(path, 0o755);
  await chmod(dataDir, 0o755);
  await prepareDataFolder(dataDir, () => 'ours');
  for (const path of [...files, ...folders]) assert.equal((await stat(path)).mode & 0o077, 0, path);
});

test('a folder that others use is refused, and nothing is made in it', async () => {
  await writeFile(join(dataDir, 'thesis.tex'), '');
  await mkdir(join(dataDir, 'pictures'));
  await assert.rejects(prepareDataFolder(dataDir, noDatabase), {
    code: 'conflict',
    message:
      /has files that are not Tidepool's \(pictures, thesis\.tex\) and no database; name an empty or a new folder/,
  });
  await prepareDataFolder(dataDir, () => 'ours');
});

test('a configuration, a log and the number of a process that people keep with a server are no reason to refuse', async () => {
  for (const name of ['config.json', 'server.log', 'tidepool.pid']) await writeFile(join(dataDir, name), '');
  await prepareDataFolder(dataDir, noDatabase);
});

test('a fresh file system, and what an earlier start has left, are taken', async () => {
  for (const name of ['lost+found', 'blobs', 'logs', 'frontdoor', 'machines']) await mkdir(join(dataDir, name));
  for (const name of ['ballast', 'admin.token', 'admin.token.old']) await writeFile(join(dataDir, name), '');
  await prepareDataFolder(dataDir, noDatabase);
});
