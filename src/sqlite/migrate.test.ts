import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Kysely, type Migration, sql } from 'kysely';
import { hasCode } from '../domain/errors.ts';
import { sqliteDialect } from './dialect.ts';
import { migrate } from './migrate.ts';
import { countRows, makeOldDatabase } from './old-database.fake.ts';
import { migrations } from './schema.ts';
import { openSqliteStore } from './store.ts';

const names = Object.keys(migrations).sort();
const quiet = { log: () => undefined };

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-migrate-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function openAndClose(path: string): Promise<void> {
  await (await openSqliteStore(path)).close();
}

/** Upgrades the database as the next start does, and checks that no row is gone. */
async function expectWhole(path: string, before: Readonly<Record<string, number>>, all = migrations): Promise<void> {
  const db = new Kysely({ dialect: sqliteDialect(path) });
  await migrate(db, { path, migrations: all, ...quiet });
  await db.destroy();
  const after = countRows(path);
  for (const [table, rows] of Object.entries(before)) {
    if (table in after) assert.ok((after[table] ?? 0) >= rows, `${table}: ${after[table]} of ${rows} rows`);
  }
}

for (const next of names.slice(1)) {
  test(`an upgrade from before ${next} that is cut off after any statement is done by the next start`, () =>
    inFolder(async (folder) => {
      const path = join(folder, 'tidepool.db');
      await makeOldDatabase(path, next);
      const before = countRows(path);
      // What a kill or a power cut after a statement leaves is what lies on the disk then.
      let cuts = 0;
      const cutOff = (): void => {
        cuts += 1;
        const image = join(folder, `cut-${cuts}`);
        mkdirSync(image);
        for (const name of readdirSync(folder)) {
          if (name.startsWith('tidepool.db')) copyFileSync(join(folder, name), join(image, name));
        }
      };
      const upTo = Object.fromEntries(Object.entries(migrations).filter(([name]) => name <= next));
      const db = new Kysely({ dialect: sqliteDialect(path), log: cutOff });
      await migrate(db, { path, migrations: upTo, ...quiet });
      await db.destroy();
      assert.ok(cuts > 5);
      for (let cut = 1; cut <= cuts; cut += 1)
        await expectWhole(join(folder, `cut-${cut}`, 'tidepool.db'), before, upTo);
      await expectWhole(path, before);
    }));
}

test('a migration that fails changes nothing, and the database can be opened by the earlier version', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'tidepool.db');
    await openAndClose(path);
    const db = new Kysely({ dialect: sqliteDialect(path) });
    const broken = {
      up: async (tx: Kysely<never>) => {
        await sql`create table half (name text)`.execute(tx);
        await sql`create table half (name text)`.execute(tx);
      },
    };
    const all = { ...migrations, '9999-broken': broken };
    await assert.rejects(migrate(db, { path, migrations: all, ...quiet }), /already exists/);
    await db.destroy();
    assert.ok(!('half' in countRows(path)));
    await openAndClose(path);
  }));

test('the database is copied before an upgrade; the newest three copies stay, for their owner only', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'tidepool.db');
    const log: string[] = [];
    await openAndClose(path);
    for (let number = 9990; number < 9995; number += 1) {
      const added = Object.fromEntries(
        Array.from({ length: number - 9989 }, (_, i) => [`${9990 + i}-more`, { up: async () => undefined }]),
      );
      const db = new Kysely({ dialect: sqliteDialect(path) });
      await migrate(db, { path, migrations: { ...migrations, ...added }, log: (line) => log.push(line) });
      await db.destroy();
    }
    const copies = (await readdir(folder)).filter((name) => name.includes('.before-')).sort();
    assert.deepEqual(
      copies,
      ['9992', '9993', '9994'].map((number) => `tidepool.db.before-${number}-more`),
    );
    assert.match(log.join('\n'), /copied to .*before-9990-more/);
    const copy = join(folder, copies[2] ?? '');
    assert.equal((await stat(copy)).mode & 0o777, 0o600);
    const opened = new DatabaseSync(copy);
    assert.equal(opened.prepare('pragma user_version').get()?.user_version, 9993);
    opened.close();
  }));

test('an upgrade that is interrupted again and again keeps the copy of the version before it, and makes no other', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'tidepool.db');
    await openAndClose(path);
    const before = countRows(path);
    const copies = async () => (await readdir(folder)).filter((name) => name.includes('.before-')).sort();
    const upgrade = async (from: number, to: number, failsAt: number): Promise<void> => {
      const added: Record<string, Migration> = {};
      for (let number = 9000; number <= to; number += 1) {
        const up = async (tx: Kysely<never>): Promise<void> => {
          assert.ok(number >= from, 'applied before');
          if (number === failsAt) throw new Error('interrupted');
          await sql.raw(`create table t${number} (x)`).execute(tx);
        };
        added[`${number}-more`] = { up };
      }
      const db = new Kysely({ dialect: sqliteDialect(path) });
      await migrate(db, { path, migrations: { ...migrations, ...added }, ...quiet }).finally(() => db.destroy());
    };
    for (let number = 9001; number < 9006; number += 1) {
      await assert.rejects(upgrade(number - 1, 9006, number), /interrupted/);
      assert.deepEqual(await copies(), ['tidepool.db.before-9000-more']);
    }
    await writeFile(join(folder, 'tidepool.db.before-9003-more.part'), 'cut off');
    await mkdir(join(folder, 'tidepool.db.before-strange'));
    await upgrade(9005, 9006, 0);
    assert.deepEqual(await copies(), ['tidepool.db.before-9000-more', 'tidepool.db.before-strange']);
    assert.deepEqual(countRows(join(folder, 'tidepool.db.before-9000-more')), before);
    assert.ok(!(await readdir(folder)).includes('tidepool.db.upgrading'));
    await upgrade(9007, 9007, 0);
    assert.equal((await copies()).length, 3, 'the next upgrade has a copy of its own');
  }));

test('an interrupted upgrade whose copy was put back is copied anew', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'tidepool.db');
    await openAndClose(path);
    const upgrade = async (failsAt: string): Promise<void> => {
      const step = (name: string): Migration => ({
        up: async (tx) => {
          if (name === failsAt) throw new Error('interrupted');
          await sql.raw(`create table ${name} (x)`).execute(tx);
        },
      });
      const db = new Kysely({ dialect: sqliteDialect(path) });
      const all = { ...migrations, '9000-a': step('a'), '9001-b': step('b') };
      await migrate(db, { path, migrations: all, ...quiet }).finally(() => db.destroy());
    };
    await assert.rejects(upgrade('b'), /interrupted/);
    copyFileSync(`${path}.before-9000-a`, path);
    const back = await openSqliteStore(path);
    await back.setting('written-since', () => 'yes');
    await back.close();
    await upgrade('');
    const copy = new DatabaseSync(`${path}.before-9000-a`);
    assert.equal(copy.prepare(`select count(*) as n from setting where name = 'written-since'`).get()?.n, 1);
    copy.close();
  }));

test('an upgrade that is killed by the system leaves a database that the next start can use', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'tidepool.db');
    await makeOldDatabase(path, '0006');
    const before = countRows(path);
    const script = `
      const { Kysely } = await import('kysely');
      const [{ sqliteDialect }, { migrate }, { migrations }] = await Promise.all(
        ['dialect', 'migrate', 'schema'].map((name) => import('${import.meta.dirname}/' + name + '.ts')));
      const log = ({ query }) => /column memory_bytes/.test(query.sql) && process.kill(process.pid, 'SIGKILL');
      const path = ${JSON.stringify(path)};
      await migrate(new Kysely({ dialect: sqliteDialect(path), log }), { path, migrations, log: () => undefined });`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname });
    assert.equal(child.signal, 'SIGKILL', child.stderr.toString());
    await expectWhole(path, before);
  }));

test('a new database has no copy', () =>
  inFolder(async (folder) => {
    await openAndClose(join(folder, 'tidepool.db'));
    assert.deepEqual(await readdir(folder), ['tidepool.db']);
  }));

for (const [what, statement, told] of [
  ['a migration', `insert into kysely_migration values ('0099-x', '')`, /newer Tidepool \(migration 0099-x;/],
  ['a version', 'pragma user_version = 99', /newer Tidepool \(migration 99;/],
] as const) {
  test(`a database with ${what} that is not known is refused by name, and stays as it is`, () =>
    inFolder(async (folder) => {
      const path = join(folder, 'tidepool.db');
      await makeOldDatabase(path, '0007');
      const raw = new DatabaseSync(path);
      raw.exec(statement);
      raw.close();
      const before = countRows(path);
      const refused = (error: unknown): boolean => hasCode(error, 'conflict') && told.test(error.message);
      await assert.rejects(openAndClose(path), refused);
      assert.deepEqual(countRows(path), before);
    }));
}
