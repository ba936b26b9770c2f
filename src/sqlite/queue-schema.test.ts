import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Kysely, Migrator, sql } from 'kysely';
import { defaultJobLimits } from '../domain/limits.ts';
import { sqliteDialect } from './dialect.ts';
import { migrations } from './schema.ts';
import { openSqliteStore } from './store.ts';

test('jobs of a database from before are scheduled as the others', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-schema-'));
  try {
    const path = join(folder, 'tidepool.db');
    await oldDatabase(path);
    const store = await openSqliteStore(path);
    try {
      const [ann, ...others] = await store.jobs.queueUsers();
      assert.deepEqual([ann?.name, ann?.queued, ann?.usage.cpuMs, others.length], ['ann', 1, 0, 0]);
      const [queued] = (await store.jobs.queuedOf(['ann'], 9)).get('ann') ?? [];
      assert.deepEqual([queued?.id, queued?.cpus, queued?.runtime, queued?.priority], ['waits', 3, 'ml', 0]);
      const [holding] = await store.jobs.holdings();
      assert.deepEqual([holding?.jobId, holding?.cpus, holding?.assignedAtMs], ['runs', 3, 77]);
      assert.deepEqual((await store.jobs.get('waits'))?.spec.labels, {});
    } finally {
      await store.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

async function oldDatabase(path: string): Promise<void> {
  const db = new Kysely({ dialect: sqliteDialect(path) });
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error } = await migrator.migrateTo('0005-accounts');
  assert.equal(error, undefined);
  const spec = JSON.stringify({ name: 'x', runtime: 'ml', limits: { ...defaultJobLimits, cpus: 3 } });
  for (const [id, owner, state, vm] of [
    ['waits', 'ann', 'queued', null],
    ['runs', 'ben', 'running', 'vm-0'],
    ['ended', 'ann', 'succeeded', 'vm-0'],
  ]) {
    await sql`insert into job (id, owner, state, spec_json, attempt, vm_name, cancel_requested, created_at_ms)
      values (${id}, ${owner}, ${state}, ${spec}, 1, ${vm}, 0, 5)`.execute(db);
  }
  await sql`insert into attempt values ('runs', 1, 'vm-0', 77, null)`.execute(db);
  await db.destroy();
}
