import type { Kysely, Selectable, Transaction } from 'kysely';
import type { Job, JobState } from '../domain/job.ts';
import { type JobAction, jobCan, jobStates } from '../domain/job.ts';
import type { JobEnd, JobPage, JobStore } from '../domain/store.ts';
import type { Tables } from './schema.ts';

type Row = Selectable<Tables['job']>;
type Db = Kysely<Tables>;

/** JobStore on SQL. The states in which an action may happen come from the domain's table, never from here. */
export function sqlJobStore(db: Db): JobStore {
  return {
    insert: async (job) => void (await db.insertInto('job').values(toRow(job)).execute()),
    get: (id) => getJob(db, id),
    list: (page) => listJobs(db, page),
    queued: (limit) => queued(db, limit),
    countQueued: () => countQueued(db),
    countAhead: (id) => countQueued(db, id),
    active: () => active(db),
    assign: (id, vmName, nowMs) => db.transaction().execute((tx) => assign(tx, id, vmName, nowMs)),
    markRunning: (id, attempt, nowMs) => markRunning(db, id, attempt, nowMs),
    finish: (id, attempt, end) => db.transaction().execute((tx) => finish(tx, id, attempt, end)),
    requeue: (id, attempt) => db.transaction().execute((tx) => requeue(tx, id, attempt)),
    cancel: (id, nowMs) => db.transaction().execute((tx) => cancel(tx, id, nowMs)),
    meanRunMs: (count) => meanRunMs(db, count),
    async files(id) {
      const rows = await db.selectFrom('job_file').selectAll().where('job_id', '=', id).orderBy('path').execute();
      return rows.map((row) => ({ path: row.path, sizeBytes: row.size_bytes, blob: row.blob }));
    },
  };
}

function statesThatCan(action: JobAction): JobState[] {
  return (Object.keys(jobStates) as JobState[]).filter((state) => jobCan(state, action));
}

async function getJob(db: Db, id: string): Promise<Job | undefined> {
  const row = await db.selectFrom('job').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? undefined : fromRow(row);
}

async function listJobs(db: Db, page: JobPage): Promise<Job[]> {
  let query = db.selectFrom('job').selectAll().orderBy('id', 'desc').limit(page.limit);
  if (page.owner !== undefined) query = query.where('owner', '=', page.owner);
  if (page.states !== undefined) query = query.where('state', 'in', [...page.states]);
  if (page.before !== undefined) query = query.where('id', '<', page.before);
  return (await query.execute()).map(fromRow);
}

async function queued(db: Db, limit: number): Promise<Job[]> {
  const query = db.selectFrom('job').selectAll().where('state', '=', 'queued').orderBy('id').limit(limit);
  return (await query.execute()).map(fromRow);
}

async function countQueued(db: Db, olderThan?: string): Promise<number> {
  let query = db
    .selectFrom('job')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('state', '=', 'queued');
  if (olderThan !== undefined) query = query.where('id', '<', olderThan);
  return (await query.executeTakeFirstOrThrow()).count;
}

async function active(db: Db): Promise<Job[]> {
  const query = db.selectFrom('job').selectAll().where('state', 'in', ['starting', 'running']).orderBy('id');
  return (await query.execute()).map(fromRow);
}

async function assign(tx: Transaction<Tables>, id: string, vmName: string, nowMs: number): Promise<number | undefined> {
  const vm = await tx.selectFrom('vm').select('state').where('name', '=', vmName).executeTakeFirst();
  if (vm?.state !== 'ready') return undefined;
  const job = await tx
    .updateTable('job')
    .set((e) => ({ state: 'starting', vm_name: vmName, attempt: e('attempt', '+', 1) }))
    .where('id', '=', id)
    .where('state', 'in', statesThatCan('assign'))
    .returning('attempt')
    .executeTakeFirst();
  if (job === undefined) return undefined;
  await tx
    .insertInto('attempt')
    .values({ job_id: id, number: job.attempt, vm_name: vmName, assigned_at_ms: nowMs, outcome: null })
    .execute();
  return job.attempt;
}

async function markRunning(db: Db, id: string, attempt: number, nowMs: number): Promise<boolean> {
  const result = await db
    .updateTable('job')
    .set({ state: 'running', started_at_ms: nowMs })
    .where('id', '=', id)
    .where('attempt', '=', attempt)
    .where('state', 'in', statesThatCan('run'))
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

async function finish(tx: Transaction<Tables>, id: string, attempt: number, end: JobEnd): Promise<boolean> {
  const result = await tx
    .updateTable('job')
    .set({ state: end.state, ended_at_ms: end.nowMs, result_json: JSON.stringify(end.result) })
    .where('id', '=', id)
    .where('attempt', '=', attempt)
    .where('state', 'in', statesThatCan('finish'))
    .executeTakeFirst();
  if (result.numUpdatedRows !== 1n) return false;
  await endAttempt(tx, id, attempt, end.state);
  for (const file of end.files) {
    const row = { job_id: id, path: file.path, size_bytes: file.sizeBytes, blob: file.blob };
    await tx.insertInto('job_file').values(row).execute();
  }
  return true;
}

async function requeue(tx: Transaction<Tables>, id: string, attempt: number): Promise<boolean> {
  const result = await tx
    .updateTable('job')
    .set({ state: 'queued', vm_name: null, started_at_ms: null })
    .where('id', '=', id)
    .where('attempt', '=', attempt)
    .where('state', 'in', statesThatCan('requeue'))
    .executeTakeFirst();
  if (result.numUpdatedRows !== 1n) return false;
  await endAttempt(tx, id, attempt, 'requeued');
  return true;
}

async function endAttempt(tx: Transaction<Tables>, id: string, attempt: number, outcome: string): Promise<void> {
  await tx.updateTable('attempt').set({ outcome }).where('job_id', '=', id).where('number', '=', attempt).execute();
}

async function cancel(
  tx: Transaction<Tables>,
  id: string,
  nowMs: number,
): Promise<'cancelled' | 'requested' | 'ended' | 'unknown'> {
  const job = await getJob(tx, id);
  if (job === undefined) return 'unknown';
  if (!jobCan(job.state, 'cancel')) return 'ended';
  const isQueued = job.state === 'queued';
  const change = isQueued ? { state: 'cancelled' as const, ended_at_ms: nowMs } : {};
  await tx
    .updateTable('job')
    .set({ cancel_requested: 1, ...change })
    .where('id', '=', id)
    .execute();
  return isQueued ? 'cancelled' : 'requested';
}

async function meanRunMs(db: Db, count: number): Promise<number | null> {
  const newest = db
    .selectFrom('job')
    .select((e) => e('ended_at_ms', '-', e.ref('started_at_ms')).as('ran_ms'))
    .where('started_at_ms', 'is not', null)
    .where('ended_at_ms', 'is not', null)
    .orderBy('id', 'desc')
    .limit(count);
  const row = await db
    .selectFrom(newest.as('newest'))
    .select((e) => e.fn.avg<number | null>('ran_ms').as('mean'))
    .executeTakeFirst();
  return row?.mean ?? null;
}

function toRow(job: Job): Row {
  return {
    id: job.id,
    owner: job.owner,
    state: job.state,
    spec_json: JSON.stringify(job.spec),
    attempt: job.attempt,
    vm_name: job.vmName,
    cancel_requested: job.cancelRequested ? 1 : 0,
    created_at_ms: job.createdAtMs,
    started_at_ms: job.startedAtMs,
    ended_at_ms: job.endedAtMs,
    result_json: job.result === null ? null : JSON.stringify(job.result),
  };
}

function fromRow(row: Row): Job {
  return {
    id: row.id,
    owner: row.owner,
    state: row.state,
    spec: JSON.parse(row.spec_json),
    attempt: row.attempt,
    vmName: row.vm_name,
    cancelRequested: row.cancel_requested === 1,
    createdAtMs: row.created_at_ms,
    startedAtMs: row.started_at_ms,
    endedAtMs: row.ended_at_ms,
    result: row.result_json === null ? null : JSON.parse(row.result_json),
  };
}
