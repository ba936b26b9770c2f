import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kysely, sql } from 'kysely';
import { readyVm } from '../fake/vm.ts';
import { sqliteDialect } from './dialect.ts';
import { GroupCommit } from './group-commit.ts';
import { KeptRows } from './kept-rows.ts';
import { migrate } from './migrate.ts';
import { migrations, type Tables } from './schema.ts';
import { sqlVmStore } from './vms.ts';

interface Row {
  readonly name: string;
  readonly pool: string;
  readonly reason: string;
}

const text = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

async function withRows(
  use: (db: Kysely<Tables>, kept: KeptRows<Row>, reads: string[][]) => Promise<void>,
): Promise<void> {
  const db = new Kysely<Tables>({ dialect: sqliteDialect(':memory:') });
  const reads: string[][] = [];
  try {
    await migrate(db, { path: ':memory:', migrations, log: () => undefined });
    const vms = sqlVmStore(db, new GroupCommit(db));
    for (const name of ['c', 'a', 'b']) await vms.insert(readyVm({ name, pool: name === 'a' ? 'p' : 'q' }));
    const kept = new KeptRows<Row>(db, {
      table: 'vm',
      key: 'name',
      belongs: (row) => `${row}.state = 'ready'`,
      async read(keys) {
        const query = db.selectFrom('vm').select(['name', 'pool', 'reason']).where('state', '=', 'ready').where(keys);
        const rows = await query.execute();
        reads.push(rows.map(({ name }) => name).sort());
        return rows;
      },
      keyOf: ({ name }) => name,
      groupOf: ({ pool }) => pool,
      compare: (a, b) => text(a.name, b.name),
    });
    await use(db, kept, reads);
  } finally {
    await db.destroy();
  }
}

const names = (rows: readonly Row[] | undefined): string => (rows ?? []).map(({ name }) => name).join('');

test('only rows that changed are read again, by whomever they were changed', () =>
  withRows(async (db, kept, reads) => {
    const [first, groups] = [await kept.all(), await kept.byGroup()];
    assert.deepEqual([names(first), names(groups.get('q'))], ['abc', 'bc']);
    assert.equal(await kept.all(), first);
    await sql`update vm set reason = 'changed' where name = 'b'`.execute(db);
    await sql`update vm set state = 'stopping' where name = 'a'`.execute(db);
    const second = await kept.all();
    assert.deepEqual([names(second), second[0]?.reason], ['bc', 'changed']);
    assert.deepEqual([...(await kept.byGroup()).keys()], ['q']);
    assert.equal(names(first), 'abc', 'a list that was given stays as it was');
    assert.deepEqual([...groups.keys()].sort(), ['p', 'q']);
    await sql`delete from vm where name = 'c'`.execute(db);
    await sql`update vm set state = 'ready', pool = 'q' where name = 'a'`.execute(db);
    assert.equal(names((await kept.byGroup()).get('q')), 'ab');
    assert.equal(names(await kept.all()), 'ab');
    assert.deepEqual(reads, [['a', 'b', 'c'], ['b'], ['a']]);
  }));

test('a change that is rolled back is none', () =>
  withRows(async (db, kept, reads) => {
    await kept.all();
    const change = db.transaction().execute(async (tx) => {
      await sql`delete from vm`.execute(tx);
      throw new Error('no');
    });
    await assert.rejects(change);
    assert.equal(names(await kept.all()), 'abc');
    assert.equal(reads.length, 1);
  }));

test('a reading that fails loses no change', () =>
  withRows(async (db, kept) => {
    await kept.all();
    await sql`delete from vm where name = 'a'`.execute(db);
    await sql`update vm set reason = 'x' where name = 'b'`.execute(db);
    await sql`alter table vm rename column reason to why`.execute(db);
    await assert.rejects(kept.all());
    await sql`alter table vm rename column why to reason`.execute(db);
    const all = await kept.all();
    assert.deepEqual([names(all), all[0]?.reason], ['bc', 'x']);
  }));

test('readings at one time all see what was written before them', () =>
  withRows(async (db, kept) => {
    await kept.all();
    await sql`delete from vm where name = 'a'`.execute(db);
    const all = await Promise.all([kept.all(), kept.all(), kept.all()]);
    assert.deepEqual(
      all.map((one) => names(one)),
      ['bc', 'bc', 'bc'],
    );
  }));

test('lists of groups in which nothing has changed stay the same', () =>
  withRows(async (db, kept) => {
    const before = await kept.byGroup();
    await sql`update vm set reason = 'changed' where name = 'b'`.execute(db);
    const after = await kept.byGroup();
    assert.equal(after.get('p'), before.get('p'));
    assert.notEqual(after.get('q'), before.get('q'));
  }));
