import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kysely } from 'kysely';
import { sqliteDialect } from './dialect.ts';
import { sqlEventStore } from './events.ts';
import { GroupCommit } from './group-commit.ts';
import { migrate } from './migrate.ts';
import { migrations, type Tables } from './schema.ts';

test('decisions, which are most of all events, do not push out what happened to VMs', async () => {
  const db = new Kysely<Tables>({ dialect: sqliteDialect(':memory:') });
  try {
    await migrate(db, { path: ':memory:', migrations, log: () => undefined });
    const kept = 100;
    const events = sqlEventStore(db, new GroupCommit(db), kept);
    const event = { pool: 'p', vm: null, text: '', data: {} };
    await events.append({ ...event, name: 'vm.failed', atMs: 0 });
    for (let n = 1; n < 1_000; n += 1) await events.append({ ...event, name: 'pool.decision', atMs: n });
    const left = await events.after(0, 10_000);
    assert.equal(left[0]?.name, 'vm.failed');
    assert.deepEqual([left.length, left[1]?.atMs, left.at(-1)?.atMs], [1 + kept, 900, 999]);
    for (let n = 0; n < 1_000; n += 1) await events.append({ ...event, name: 'vm.warm', atMs: n });
    const names = (await events.after(0, 10_000)).map(({ name }) => name);
    assert.equal(names.filter((name) => name === 'pool.decision').length, kept);
    assert.equal(names.filter((name) => name === 'vm.warm').length, kept);
    assert.ok(!names.includes('vm.failed'), 'the oldest goes when there are too many of its kind');
  } finally {
    await db.destroy();
  }
});
