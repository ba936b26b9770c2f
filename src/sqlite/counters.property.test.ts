import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Kysely, sql } from 'kysely';
import { emptyResult, type Job } from '../domain/job.ts';
import { emptySpec, queuedJob } from '../fake/job.ts';
import { readyVm } from '../fake/vm.ts';
import { sqliteDialect } from './dialect.ts';
import { GroupCommit } from './group-commit.ts';
import { sqlJobStore } from './jobs.ts';
import { migrate } from './migrate.ts';
import { migrations, type Tables } from './schema.ts';
import { sqlStorageStore } from './storage.ts';
import { sqlVmStore } from './vms.ts';

const owner = fc.constantFrom('ann', 'ben');
/** Ids of any length, of which some share a block at each level. */
const id = fc.array(fc.constantFrom('0', '1', 'z'), { minLength: 3, maxLength: 12 }).map((chars) => chars.join(''));
const blob = fc.constantFrom('1', '2', '3').map((digit) => digit.repeat(64));
const action = fc.oneof(
  fc.record({ kind: fc.constant('insert'), id, owner, priority: fc.integer({ min: -1, max: 1 }), blob }),
  fc.record({
    kind: fc.constantFrom('assign', 'finish', 'requeue', 'cancel', 'delete', 'cancelMany'),
    id,
    bytes: fc.nat(99),
  }),
  fc.record({ kind: fc.constantFrom('fail'), id, owner }),
);

test('counters are the sums of what they count, whatever happens to jobs', async () => {
  const run = async (actions: readonly unknown[]): Promise<void> => {
    const db = new Kysely<Tables>({ dialect: sqliteDialect(':memory:') });
    try {
      await migrate(db, { path: ':memory:', migrations, log: () => undefined });
      const group = new GroupCommit(db);
      const stores = { jobs: sqlJobStore(db, group, 1_000), storage: sqlStorageStore(db, group) };
      await sqlVmStore(db, group).insert(readyVm());
      for (const one of actions) await carryOut(db, stores, one);
      await checkQueue(db, stores.jobs);
      await checkStorage(db, stores.storage);
    } finally {
      await db.destroy();
    }
  };
  await fc.assert(fc.asyncProperty(fc.array(action, { maxLength: 60 }), run), { numRuns: 60 });
});

interface Stores {
  readonly jobs: ReturnType<typeof sqlJobStore>;
  readonly storage: ReturnType<typeof sqlStorageStore>;
}

// biome-ignore lint/suspicious/noExplicitAny: the actions of the property are of several shapes
async function carryOut(db: Kysely<Tables>, { jobs, storage }: Stores, one: any): Promise<void> {
  const attempt = (await jobs.get(one.id))?.attempt ?? 0;
  const end = { state: 'succeeded' as const, result: emptyResult, files: [], logBytes: one.bytes, nowMs: 9 };
  switch (one.kind) {
    case 'insert':
      return jobs.insert(newJob(one)).catch(() => undefined);
    case 'assign':
      return void (await jobs.assign([{ jobId: one.id, worker: 'test-0000' }], 5));
    case 'finish':
      return void (await jobs.finish(one.id, attempt, end));
    case 'requeue':
      return void (await jobs.requeue(one.id, attempt, 6));
    case 'cancel':
      return void (await jobs.cancel(one.id, 7));
    case 'cancelMany':
      return void (await jobs.cancelMany({ ids: [one.id] }, 9, 7));
    case 'delete':
      return void (await storage.deleteJob(one.id));
    default:
      // A transaction that is rolled back takes its counts with it.
      await db
        .transaction()
        .execute(async (tx) => {
          await sql`update job set state = 'queued', kept_bytes = 7 where owner = ${one.owner}`.execute(tx);
          await sql`delete from job_input where owner = ${one.owner}`.execute(tx);
          throw new Error('rolled back');
        })
        .catch(() => undefined);
  }
}

interface NewJob {
  readonly id: string;
  readonly owner: string;
  readonly priority: number;
  readonly blob: string;
}

function newJob({ id: jobId, owner: user, priority, blob: scriptBlob }: NewJob): Job {
  const inputBytes = { script: Number(scriptBlob[0]) * 10, data: 5, requirements: 0 };
  const spec = { ...emptySpec, priority, scriptBlob, dataBlob: 'd'.repeat(64), inputBytes };
  return queuedJob({ id: jobId, owner: user, spec });
}

async function checkQueue(db: Kysely<Tables>, jobs: Stores['jobs']): Promise<void> {
  const queued = await db
    .selectFrom('job')
    .select(['id', 'owner', 'priority'])
    .where('state', '=', 'queued')
    .orderBy('priority', 'desc')
    .orderBy('id')
    .execute();
  for (const job of queued) {
    const before = queued.filter((other) => other.owner === job.owner);
    assert.equal(await jobs.countAhead(job), before.indexOf(job), `jobs before ${job.id}`);
  }
  const { rows } = await sql<{
    n: number;
  }>`select coalesce(sum(count), 0) as n from queue_block where level = 0`.execute(db);
  assert.equal(rows[0]?.n, queued.length);
  const empty = await db.selectFrom('queue_block').select('prefix').where('count', '<=', 0).execute();
  assert.deepEqual(empty, [], 'blocks without jobs are removed');
}

async function checkStorage(db: Kysely<Tables>, storage: Stores['storage']): Promise<void> {
  for (const user of ['ann', 'ben']) {
    const { rows } = await sql<{ bytes: number }>`
      select (select coalesce(sum(size), 0) from (select max(size_bytes) as size from job_input where owner = ${user} group by blob))
        + (select coalesce(sum(kept_bytes), 0) from job where owner = ${user}) as bytes`.execute(db);
    assert.equal(await storage.usedBytes(user, []), rows[0]?.bytes, `bytes of ${user}`);
  }
}
