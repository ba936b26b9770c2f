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
    const first = await kept.read();
    assert.deepEqual([names(first.all), names(first.byGroup.get('q'))], ['abc', 'bc']);
    await kept.read();
    await sql`update vm set reason = 'changed' where name = 'b'`.execute(db);
    await sql`update vm set state = 'stopping' where name = 'a'`.execute(db);
    const second = await kept.read();
    assert.deepEqual([names(second.all), second.all[0]?.reason], ['bc', 'changed']);
    assert.deepEqual([...second.byGroup.keys()], ['q']);
    assert.equal(names(first.all), 'abc', 'a list that was given stays as it was');
    await sql`delete from vm where name = 'c'`.execute(db);
    await sql`update vm set state = 'ready', pool = 'q' where name = 'a'`.execute(db);
    assert.equal(names((await kept.read()).byGroup.get('q')), 'ab');
    assert.deepEqual(reads, [['a', 'b', 'c'], ['b'], ['a']]);
  }));

test('a change that is rolled back is none', () =>
  withRows(async (db, kept, reads) => {
    await kept.read();
    const change = db.transaction().execute(async (tx) => {
      await sql`delete from vm`.execute(tx);
      throw new Error('no');
    });
    await assert.rejects(change);
    assert.equal(names((await kept.read()).all), 'abc');
    assert.equal(reads.length, 1);
  }));

test('a reading that fails loses no change', () =>
  withRows(async (db, kept) => {
    await kept.read();
    await sql`delete from vm where name = 'a'`.execute(db);
    await sql`update vm set reason = 'x' where name = 'b'`.execute(db);
    await sql`alter table vm rename column reason to why`.execute(db);
    await assert.rejects(kept.read());
    await sql`alter table vm rename column why to reason`.execute(db);
    const { all } = await kept.read();
    assert.deepEqual([names(all), all[0]?.reason], ['bc', 'x']);
  }));

test('readings at one time all see what was written before them', () =>
  withRows(async (db, kept) => {
    await kept.read();
    await sql`delete from vm where name = 'a'`.execute(db);
    const all = await Promise.all([kept.read(), kept.read(), kept.read()]);
    assert.deepEqual(
      all.map((one) => names(one.all)),
      ['bc', 'bc', 'bc'],
    );
  }));
