import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kysely, type LogEvent, sql, type Transaction } from 'kysely';
import { sqliteDialect } from './dialect.ts';
import { GroupCommit } from './group-commit.ts';

interface Tables {
  thing: { name: string };
}

async function withGroup(
  body: (group: GroupCommit<Tables>, db: Kysely<Tables>) => Promise<void>,
  onStatement: (statement: string) => void = () => undefined,
): Promise<void> {
  const log = (event: LogEvent): void => onStatement(event.query.sql);
  const db = new Kysely<Tables>({ dialect: sqliteDialect(':memory:'), log });
  try {
    await sql`create table thing (name text primary key)`.execute(db);
    await body(new GroupCommit(db), db);
  } finally {
    await db.destroy();
  }
}

const insert =
  (...names: string[]) =>
  async (tx: Transaction<Tables>): Promise<number> => {
    for (const name of names) await tx.insertInto('thing').values({ name }).execute();
    return names.length;
  };
const all = async (db: Kysely<Tables>): Promise<string[]> =>
  (await db.selectFrom('thing').selectAll().orderBy('name').execute()).map(({ name }) => name);

test('what comes together is one transaction; each gets its own value', async () => {
  let commits = 0;
  await withGroup(
    async (group, db) => {
      assert.deepEqual(await Promise.all([group.run(insert('a')), group.run(insert('b', 'c'))]), [1, 2]);
      assert.equal(commits, 1);
      assert.equal(await group.run(insert('d')), 1);
      assert.equal(commits, 2);
      assert.deepEqual(await all(db), ['a', 'b', 'c', 'd']);
    },
    (statement) => {
      if (statement === 'commit') commits += 1;
    },
  );
});

test('of a group only the one that fails is told so, and nothing of it stays', () =>
  withGroup(async (group, db) => {
    const results = await Promise.allSettled([
      group.run(insert('a')),
      group.run(insert('x', 'a')),
      group.run(insert('b')),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(await all(db), ['a', 'b']);
    assert.equal(await group.run(insert('c')), 1, 'it goes on');
  }));

test('those that fail cost the others no flush of their own', async () => {
  let commits = 0;
  await withGroup(
    async (group, db) => {
      await group.run(insert('taken'));
      commits = 0;
      const names = Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? 'taken' : `n${i}`));
      const results = await Promise.allSettled(names.map((name) => group.run(insert(name))));
      assert.equal(results.filter(({ status }) => status === 'rejected').length, 10);
      assert.equal((await all(db)).length, 91);
      assert.equal(commits, 1);
    },
    (statement) => {
      if (statement === 'commit') commits += 1;
    },
  );
});

test('settled waits for all that was asked for', () =>
  withGroup(async (group, db) => {
    void group.run(insert('a'));
    void group.run(insert('b'));
    await group.settled();
    assert.deepEqual(await all(db), ['a', 'b']);
  }));
