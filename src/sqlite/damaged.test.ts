import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openSqliteStore } from './store.ts';

const folder = await mkdtemp(join(tmpdir(), 'tidepool-damaged-'));
after(() => rm(folder, { recursive: true }));
const refusal = {
  code: 'conflict',
  message: /^cannot open the database .*: the database is damaged: .*; restore a backup \(docs\/backup\.md\)$/,
};

test('a file that is no database is refused with the remedy, and left as it is', async () => {
  const path = join(folder, 'noise.db');
  const noise = randomBytes(8192);
  await writeFile(path, noise);
  await assert.rejects(openSqliteStore(path), refusal);
  assert.deepEqual(await readFile(path), noise);
});

test('a database that was cut off is refused with the remedy', async () => {
  const path = join(folder, 'cut.db');
  await (await openSqliteStore(path)).close();
  await truncate(path, 5_000);
  await assert.rejects(openSqliteStore(path), refusal);
});
