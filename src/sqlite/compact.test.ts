import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Kysely, sql } from 'kysely';
import { compact } from './compact.ts';
import { sqliteDialect } from './dialect.ts';

test('what deleted rows leave is given back to the disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-compact-'));
  const path = join(folder, 'tidepool.db');
  const db = new Kysely({ dialect: sqliteDialect(path) });
  try {
    await sql`create table thing (content blob)`.execute(db);
    for (let i = 0; i < 20; i += 1) await sql`insert into thing values (zeroblob(500000))`.execute(db);
    await sql`delete from thing where rowid > 2`.execute(db);
    await compact(db);
    await sql`pragma wal_checkpoint(truncate)`.execute(db);
    assert.ok((await stat(path)).size < 2_500_000);
    assert.ok((await stat(`${path}-wal`)).size <= 64 * 1024 * 1024);
    const { rows } = await sql<{ n: number }>`select count(*) as n from thing`.execute(db);
    assert.equal(rows[0]?.n, 2);
  } finally {
    await db.destroy();
    await rm(folder, { recursive: true });
  }
});
