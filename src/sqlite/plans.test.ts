import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompiledQuery, Kysely } from 'kysely';
import { sqliteDialect } from './dialect.ts';
import { sqlEventStore } from './events.ts';
import { GroupCommit } from './group-commit.ts';
import { sqlJobStore } from './jobs.ts';
import { migrate } from './migrate.ts';
import { migrations, type Tables } from './schema.ts';
import { sqlStorageStore } from './storage.ts';

/** Whether a step of SQLite's plan reads all rows of a table, or sorts them before it gives the first. */
function isLong(step: string, text: string): boolean {
  // The first rows in the order of an index, whatever they are: no more are read than are given.
  const isFirstOfAll = !text.includes('where') && text.includes('limit') && step.includes('USING INDEX');
  return (/^SCAN (job|job_input|job_file|event|attempt)\b/.test(step) && !isFirstOfAll) || step.includes('TEMP B-TREE');
}

test('no question of a request or a loop reads all jobs', async () => {
  const asked: CompiledQuery[] = [];
  const log = (event: { level: string; query: CompiledQuery }): void => void asked.push(event.query);
  const db = new Kysely<Tables>({ dialect: sqliteDialect(':memory:'), log });
  try {
    await migrate(db, { path: ':memory:', migrations, log: () => undefined });
    const group = new GroupCommit(db);
    const jobs = sqlJobStore(db, group, 1_000);
    const events = sqlEventStore(db, group);
    const storage = sqlStorageStore(db, group);
    asked.length = 0;
    const [limit, before, owner] = [51, 'z', 'ann'];
    await jobs.list({ limit });
    await jobs.list({ limit, before, states: ['queued', 'running'] });
    await jobs.list({ limit, owner, before, states: ['running'] });
    await jobs.list({ limit, owner });
    await jobs.get('a');
    await jobs.countAhead({ id: '01abcdefghij', owner, priority: 0 });
    await jobs.countQueued();
    await jobs.countQueued(owner);
    await jobs.queueUsers();
    await jobs.queuedOf([owner], 100);
    await jobs.meanRunMs(50);
    await jobs.files('a');
    await jobs.attempts('a');
    await events.newest(100, 1_000, { pool: 'default' });
    await events.newest(100, undefined, { names: ['vm.failed'] });
    await events.after(1, 100);
    await storage.usedBytes(owner, [{ id: 'x', sizeBytes: 1 }]);
    await storage.owners();
    await storage.ended(owner, { limit: 9, beforeMs: 5 });
    const questions = [...asked];
    assert.ok(questions.length >= 19);
    for (const { sql: text, parameters } of questions) {
      const plan = await db.executeQuery<{ detail: string }>(
        CompiledQuery.raw(`explain query plan ${text}`, [...parameters]),
      );
      const long = plan.rows.map(({ detail }) => detail).filter((step) => isLong(step, text));
      assert.deepEqual(long, [], `${text}\n${plan.rows.map(({ detail }) => detail).join('\n')}`);
    }
  } finally {
    await db.destroy();
  }
});
