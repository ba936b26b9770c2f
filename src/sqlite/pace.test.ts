import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Kysely, sql } from 'kysely';
import { sqliteDialect } from './dialect.ts';
import { GroupCommit } from './group-commit.ts';
import { Pace } from './pace.ts';

/** Some milliseconds of work in one statement. */
const slow = sql`with recursive n (i) as (select 1 union all select i + 1 from n where i < 50000) select max(i) from n`;

/** Runs the work on a database, and returns how many turns of the event loop went by meanwhile. */
async function turnsOf(work: (db: Kysely<unknown>, pace: Pace) => Promise<unknown>): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'pace-'));
  const pace = new Pace();
  const db = new Kysely<unknown>({ dialect: sqliteDialect(join(folder, 'db'), undefined, pace) });
  let turns = 0;
  let next: NodeJS.Immediate;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  try {
    await slow.execute(db);
    next = setImmediate(count);
    await work(db, pace);
    clearImmediate(next);
    return turns;
  } finally {
    await db.destroy();
    await rm(folder, { recursive: true });
  }
}

test('a chain of statements lets the event loop go on', async () => {
  const one = async (db: Kysely<unknown>): Promise<void> => {
    for (let i = 0; i < 30; i += 1) await slow.execute(db);
  };
  assert.ok((await turnsOf(one)) >= 3);
  const many = (db: Kysely<unknown>) => Promise.all(Array.from({ length: 30 }, () => slow.execute(db)));
  assert.ok((await turnsOf(many)) >= 3);
});

test('a group of writes lets the event loop go on', async () => {
  const turns = await turnsOf((db, pace) => {
    const group = new GroupCommit(db, pace);
    return Promise.all(Array.from({ length: 30 }, () => group.run((tx) => slow.execute(tx))));
  });
  assert.ok(turns >= 3, `${turns} turns`);
});
