import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { prepareDataFolder } from './data-folder.ts';

const root = await mkdtemp(join(tmpdir(), 'tidepool-data-folder-'));
after(() => rm(root, { recursive: true }));
let dataDir = '';
beforeEach(async () => {
  dataDir = await mkdtemp(join(root, 'data-'));
});

test('a folder that is not there is made for its owner alone', async () => {
  const made = join(dataDir, 'a', 'b');
  await prepareDataFolder(made);
  assert.equal((await stat(made)).mode & 0o777, 0o700);
});

test('a file in the place of the data folder is refused by its path', async () => {
  const file = join(dataDir, 'file');
  await writeFile(file, '');
  await assert.rejects(prepareDataFolder(file), {
    code: 'unavailable',
    message: /The data folder .*file cannot be used/,
  });
});

for (const name of ['blobs', 'logs', 'frontdoor']) {
  test(`a file named ${name} is refused by its path`, async () => {
    await writeFile(join(dataDir, name), '');
    await assert.rejects(prepareDataFolder(dataDir), { code: 'conflict', message: /is a file, and must be a folder/ });
  });
}

for (const name of ['tidepool.db', 'tidepool.db-wal', 'admin.token']) {
  test(`a folder named ${name} is refused by its path`, async () => {
    await mkdir(join(dataDir, name));
    await assert.rejects(prepareDataFolder(dataDir), { code: 'conflict', message: /is a folder, and must be a file/ });
  });
}

test('files of jobs without their database are not taken for those of a first start', async () => {
  await mkdir(join(dataDir, 'blobs', 'tmp'), { recursive: true });
  await prepareDataFolder(dataDir);
  await mkdir(join(dataDir, 'blobs', '0a'));
  const refusal = { code: 'conflict', message: /has files of jobs, and its database .* is missing or empty/ };
  await assert.rejects(prepareDataFolder(dataDir), refusal);
  await writeFile(join(dataDir, 'tidepool.db'), '');
  await assert.rejects(prepareDataFolder(dataDir), refusal);
  // The first start was killed before its first checkpoint.
  await writeFile(join(dataDir, 'tidepool.db-wal'), 'pages');
  await prepareDataFolder(dataDir);
});
