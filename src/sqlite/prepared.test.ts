import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kysely } from 'kysely';
import { sqliteDialect } from './dialect.ts';
import { Prepared } from './prepared.ts';
import type { Tables } from './schema.ts';

async function settings(): Promise<Kysely<Tables>> {
  const db = new Kysely<Tables>({ dialect: sqliteDialect(':memory:') });
  await db.schema.createTable('setting').addColumn('name', 'text').addColumn('value', 'text').execute();
  return db;
}

test('a statement is built once and runs with the values of each run, on any database and in transactions', async () => {
  let built = 0;
  const insert = new Prepared<{ name: string; value: string }>((db, place) => {
    built += 1;
    return db.insertInto('setting').values({ name: place('name'), value: place('value') });
  });
  const read = new Prepared<{ name: string }, { value: string }>((db, place) =>
    db.selectFrom('setting').select('value').where('name', '=', place('name')).where('value', '!=', 'fixed'),
  );
  await using one = await settings();
  await using other = await settings();
  assert.equal((await insert.run(one, { name: 'a', value: '1' })).numAffectedRows, 1n);
  await one.transaction().execute((tx) => insert.run(tx, { name: 'b', value: '2' }));
  await insert.run(other, { name: 'a', value: '3' });
  const found = [
    await read.first(one, { name: 'a' }),
    await read.first(one, { name: 'b' }),
    await read.first(other, { name: 'a' }),
    await read.first(other, { name: 'b' }),
  ];
  assert.deepEqual([found.map((row) => row?.value), built], [['1', '2', '3', undefined], 1]);
});
