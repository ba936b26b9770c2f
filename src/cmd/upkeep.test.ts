import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FakeClock } from '../fake/clock.ts';
import { openUpkeep } from './upkeep.ts';

const root = await mkdtemp(join(tmpdir(), 'tidepool-upkeep-'));
after(() => rm(root, { recursive: true }));

test('a copy of the database makes no data folder in the place of one that was moved away', async () => {
  const dataDir = join(root, 'data');
  await mkdir(dataDir);
  await writeFile(join(dataDir, 'tidepool.db'), 'pages');
  const store = {
    facts: async () => ({ sizeBytes: 5, migrations: [] }),
    copyTo: (path: string) => copyFile(join(dataDir, 'tidepool.db'), path),
  };
  const upkeep = await openUpkeep({ store, dataDir, imageId: 'image-1', clock: new FakeClock() });
  for (let i = 0; i < 2; i += 1) assert.equal((await upkeep.copyDatabase()).sizeBytes, 5);
  await rename(dataDir, join(root, 'moved'));
  await assert.rejects(upkeep.copyDatabase(), {
    code: 'unavailable',
    message: /data is not there any more; put it back/,
  });
  assert.deepEqual(await readdir(root), ['moved']);
});
