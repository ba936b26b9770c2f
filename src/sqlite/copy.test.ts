import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { copyClosed, inspectDatabase, lockFolder, peekDatabase } from './copy.ts';
import { migrations } from './schema.ts';
import { openSqliteStore } from './store.ts';

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-copy-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const names = Object.keys(migrations).sort();

test('a database is looked into without a change, also one whose server was killed', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'tidepool.db');
    const store = await openSqliteStore(path);
    const killed = join(folder, 'killed');
    await mkdir(killed);
    for (const name of ['tidepool.db', 'tidepool.db-wal']) await cp(join(folder, name), join(killed, name));
    await store.close();
    for (const dir of [folder, killed]) {
      const before = await readdir(dir);
      const bytes = await readFile(join(dir, 'tidepool.db'));
      assert.deepEqual(peekDatabase(join(dir, 'tidepool.db')).migrations, names);
      assert.deepEqual(await readdir(dir), before);
      assert.deepEqual(await readFile(join(dir, 'tidepool.db')), bytes);
    }
  }));

test('a database that a server has open is not copied behind its back', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'tidepool.db');
    const store = await openSqliteStore(path);
    assert.throws(
      () => copyClosed(path, join(folder, 'copy')),
      (error) => hasCode(error, 'conflict'),
    );
    await store.setting('installation-id', () => 'one');
    await store.copyTo(join(folder, 'open'));
    await store.close();
    copyClosed(path, join(folder, 'closed'));
    for (const name of ['open', 'closed']) {
      const { problems, migration, installationId } = inspectDatabase(join(folder, name));
      assert.deepEqual([problems, migration, installationId], [[], names.at(-1), 'one']);
    }
  }));

test('a folder has one holder of its lock', () =>
  inFolder(async (folder) => {
    const unlock = lockFolder(folder);
    assert.throws(
      () => lockFolder(folder),
      (error) => hasCode(error, 'conflict'),
    );
    unlock();
    lockFolder(folder)();
  }));
