import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Kysely, sql } from 'kysely';
import { hasCode } from '../domain/errors.ts';
import { sqliteDialect } from './dialect.ts';
import { databaseFault } from './faults.ts';
import { GroupCommit } from './group-commit.ts';

interface Tables {
  thing: { size: number; content: Uint8Array };
}

/** A database that is full after some pages, as on a full disk. */
async function withSmallDatabase(body: (db: Kysely<Tables>, statements: string[]) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-full-'));
  const statements: string[] = [];
  const db = new Kysely<Tables>({
    dialect: sqliteDialect(join(folder, 'full.db')),
    log: ({ query }) => void statements.push(query.sql),
  });
  try {
    await sql`create table thing (size integer, content blob)`.execute(db);
    await sql`pragma max_page_count = 20`.execute(db);
    await body(db, statements);
  } finally {
    await db.destroy();
    await rm(folder, { recursive: true });
  }
}

const isFull = (error: unknown): boolean => hasCode(error, 'exhausted') && /database is full/.test(error.message);
const sizes = async (db: Kysely<Tables>): Promise<number[]> =>
  (await db.selectFrom('thing').select('size').orderBy('size').execute()).map(({ size }) => size);

test('a full disk is named as the cause, of a statement and of a transaction', () =>
  withSmallDatabase(async (db) => {
    const write = sql`insert into thing values (1, zeroblob(200000))`;
    await assert.rejects(write.execute(db), isFull);
    await assert.rejects(
      db.transaction().execute((tx) => write.execute(tx)),
      isFull,
    );
    await sql`insert into thing values (2, zeroblob(10))`.execute(db);
    assert.deepEqual(await sizes(db), [2], 'it goes on');
  }));

test('of a group that meets a full disk nothing is written, each is told the cause, and none is tried again', () =>
  withSmallDatabase(async (db, statements) => {
    const group = new GroupCommit(db);
    const write = (size: number) =>
      group.run((tx) => sql`insert into thing values (${size}, zeroblob(${size}))`.execute(tx));
    const results = await Promise.allSettled([write(10), write(200_000), write(11)]);
    for (const result of results) assert.ok(result.status === 'rejected' && isFull(result.reason));
    assert.equal(statements.filter((statement) => statement === 'begin').length, 1);
    assert.deepEqual(await sizes(db), []);
    await write(12);
    assert.deepEqual(await sizes(db), [12]);
  }));

test('errors of SQLite have the code of their class', () => {
  const code = (errcode: number): string => {
    const error = databaseFault(Object.assign(new Error('x'), { errcode }));
    return hasCode(error, 'exhausted') ? 'exhausted' : hasCode(error, 'unavailable') ? 'unavailable' : 'other';
  };
  // SQLITE_FULL; IOERR, IOERR_WRITE, IOERR_FSYNC, READONLY, CANTOPEN; CONSTRAINT, CORRUPT.
  assert.equal(code(13), 'exhausted');
  for (const one of [10, 778, 1034, 8, 14]) assert.equal(code(one), 'unavailable', String(one));
  for (const one of [19, 11]) assert.equal(code(one), 'other', String(one));
});
