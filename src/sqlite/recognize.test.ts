import assert from 'node:assert/strict';
import { chmod, copyFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, beforeEach, test } from 'node:test';
import { databaseKind } from './recognize.ts';
import { openSqliteStore } from './store.ts';

const root = await mkdtemp(join(tmpdir(), 'tidepool-recognize-'));
after(() => rm(root, { recursive: true }));
let folder = '';
let path = '';
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'data-'));
  path = join(folder, 'tidepool.db');
});

const all = async (): Promise<Record<string, string>> =>
  Object.fromEntries(
    await Promise.all(
      (await readdir(folder)).map(
        async (name) => [name, (await readFile(join(folder, name))).toString('base64')] as const,
      ),
    ),
  );

/** Leaves what a server leaves that was killed after its first start: all of the database is in its log. */
async function killedServer(): Promise<void> {
  const live = await mkdtemp(join(root, 'live-'));
  const store = await openSqliteStore(join(live, 'tidepool.db'));
  await store.setting('installation-id', () => 'one');
  for (const name of ['tidepool.db', 'tidepool.db-wal']) await copyFile(join(live, name), join(folder, name));
  await store.close();
  assert.equal((await stat(path)).size, 4096);
}

/** Expects what lies there to be refused by the store too, or not, and that looking at it changed no byte. */
async function expectKind(kind: string, isRefused: boolean): Promise<void> {
  const before = await all();
  assert.equal(databaseKind(path), kind);
  if (isRefused) await assert.rejects(openSqliteStore(path), { code: 'conflict' });
  assert.deepEqual(await all(), before);
}

test('a killed server is known by its log, and one that was stopped without one', async () => {
  await killedServer();
  await expectKind('ours', false);
  const store = await openSqliteStore(path);
  assert.equal(await store.setting('installation-id', () => 'two'), 'one');
  await store.close();
  await expectKind('ours', false);
});

for (const [what, kind, harm] of [
  ['the database is gone', 'log-only', () => rm(path)],
  ['the database is empty', 'log-only', () => truncate(path, 0)],
  ['the log is gone', 'unused', () => rm(`${path}-wal`)],
  ['the log is empty', 'unused', () => truncate(`${path}-wal`, 0)],
  ['a byte in the head of the log has changed', 'unused', () => flip(`${path}-wal`, 20)],
  ['a byte in the first page of the log has changed', 'unused', () => flip(`${path}-wal`, 100)],
] as const) {
  test(`it is seen, and nothing is written, when ${what}`, async () => {
    await killedServer();
    await harm();
    await expectKind(kind, kind === 'log-only');
  });
}

test('an empty folder has no database, and one that a first start has only begun is unused', async () => {
  await expectKind('none', false);
  await writeFile(path, '');
  await expectKind('none', false);
  await (await openSqliteStore(path)).close();
  await expectKind('unused', false);
});

for (const [what, statement] of [
  ['a table of our name', 'create table job (id integer)'],
  ['a table of another name', 'create table photo (id integer)'],
  [
    'migrations of another program',
    'create table kysely_migration (name text, timestamp text); create table setting (name text)',
  ],
] as const) {
  test(`a database of another program with ${what} is refused, and left as it is`, async () => {
    for (const mode of ['delete', 'wal']) {
      const other = new DatabaseSync(path);
      other.exec(`pragma journal_mode = ${mode}; ${statement}`);
      other.close();
      await expectKind('foreign', true);
      await assert.rejects(openSqliteStore(path), { code: 'conflict', message: /is a database of another program/ });
      await rm(path);
    }
  });
}

test('the database and its log are for their owner only from the beginning, in a folder that is open to all', async () => {
  await chmod(folder, 0o755);
  const store = await openSqliteStore(path);
  for (const name of await readdir(folder)) assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name);
  assert.deepEqual((await readdir(folder)).sort(), ['tidepool.db', 'tidepool.db-wal']);
  await store.close();
});

test('a database and logs that were opened to others are taken from them', async () => {
  await killedServer();
  await writeFile(`${path}-shm`, '');
  for (const suffix of ['', '-wal', '-shm']) await chmod(path + suffix, 0o644);
  const store = await openSqliteStore(path);
  for (const suffix of ['', '-wal']) assert.equal((await stat(path + suffix)).mode & 0o777, 0o600, suffix);
  await store.close();
});

async function flip(file: string, at: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(file, bytes);
}
