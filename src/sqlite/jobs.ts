import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { emptyResult, type Job, type JobFile, type JobState, jobCan } from '../domain/job.ts';
import type { JobEnd, JobPage, JobStore, Requeue } from '../domain/job-store.ts';
import { heldDiskBytes } from '../domain/limits.ts';
import type { OnceAnswer, OnceKey } from '../domain/once.ts';
import { runtimeOf } from '../domain/requirements.ts';
import type { GroupCommit } from './group-commit.ts';
import { rememberOnce } from './once.ts';
import { Prepared } from './prepared.ts';
import * as queue from './queue.ts';
import type { Tables } from './schema.ts';
import { statesThatCan } from './states.ts';
import { insertInputs } from './storage.ts';

type Row = Selectable<Tables['job']>;
type Db = Kysely<Tables>;

/**
 * JobStore on SQL.
 * @param group for the writes; every job has several
 * @param halfLifeMs of what users are charged
 */
export function sqlJobStore(db: Db, group: GroupCommit<Tables>, halfLifeMs: number): JobStore {
  const holdings = queue.keptHoldings(db);
  const newestId = new NewestId(db);
  return {
    async insert(job) {
      await group.run((tx) => insert(tx, job));
      newestId.note(job.id);
    },
    async insertOnce(job, once) {
      const answer = await group.run((tx) => insertOnce(tx, job, once));
      newestId.note(job.id);
      return answer;
    },
    get: (id) => getJob(db, id),
    newestId: (below) => newestId.read(below),
    getMany: (ids) => getJobs(db, ids),
    list: (page) => listJobs(db, page),
    queueUsers: () => queue.queueUsers(db),
    queuedOf: (users, limit) => queue.queuedOf(db, users, limit),
    runnableOf: (users, shapes, limit) => queue.runnableOf(db, users, shapes, limit),
    countQueued: (user) => queue.countQueued(db, user),
    countAhead: (job) => queue.countAhead(db, job),
    holdings: () => holdings.all(),
    holdingsByWorker: () => holdings.byGroup(),
    assign: (assignments, nowMs) => group.run(async (tx) => (await queue.assign(tx, assignments, nowMs)).map(fromRow)),
    markRunning: (id, attempt, nowMs) => group.run((tx) => markRunning(tx, id, attempt, nowMs)),
    finish: (id, attempt, end) => group.run((tx) => finish(tx, id, attempt, end, halfLifeMs)),
    requeue: (id, attempt, nowMs, why) => group.run((tx) => requeue(tx, { id, attempt, nowMs, halfLifeMs }, why)),
    readmit: (id, keyIds) => group.run((tx) => readmit(tx, id, keyIds)),
    cancel: (id, nowMs) => group.run((tx) => cancel(tx, id, nowMs)),
    cancelMany: (filter, limit, nowMs) => group.run((tx) => queue.cancelMany(tx, filter, limit, nowMs)),
    reject: (which, message, nowMs) => group.run((tx) => queue.reject(tx, which, message, nowMs)),
    meanRunMs: (count) => meanRunMs(db, count),
    async activeRuntimes() {
      const query = db.selectFrom('job').select('runtime').distinct();
      // The states are in the text of the statement, so that the index of active jobs is used.
      return (await query.where(sql<boolean>`state in ('starting', 'running')`).execute()).map(
        ({ runtime }) => runtime,
      );
    },
    async files(id, page) {
      let query = db.selectFrom('job_file').selectAll().where('job_id', '=', id).orderBy('path');
      if (page !== undefined) query = query.limit(page.limit);
      if (page?.after !== undefined) query = query.where('path', '>', page.after);
      return (await query.execute()).map(fileOf);
    },
    async file(id, path) {
      const query = db.selectFrom('job_file').selectAll().where('job_id', '=', id).where('path', '=', path);
      const row = await query.executeTakeFirst();
      return row === undefined ? undefined : fileOf(row);
    },
    async attempts(id) {
      const query = db.selectFrom('attempt').selectAll().where('job_id', '=', id).orderBy('number');
      return (await query.execute()).map((row) => ({
        number: row.number,
        vmName: row.vm_name,
        assignedAtMs: row.assigned_at_ms,
        outcome: row.outcome,
      }));
    },
  };
}

/** The largest id of a job, read once: each submission asks for it, and no other process adds jobs. */
class NewestId {
  readonly #db: Db;
  #isRead = false;
  #newest: string | undefined;

  constructor(db: Db) {
    this.#db = db;
  }

  async read(below: string): Promise<string | undefined> {
    if (!this.#isRead) {
      const row = await this.#db.selectFrom('job').select('id').orderBy('id', 'desc').limit(1).executeTakeFirst();
      this.#isRead = true;
      if (row !== undefined) this.note(row.id);
    }
    if (this.#newest === undefined || this.#newest < below) return this.#newest;
    // Only while there are jobs of a time when the clock was wrong.
    const query = this.#db.selectFrom('job').select('id').where('id', '<', below).orderBy('id', 'desc').limit(1);
    return (await query.executeTakeFirst())?.id;
  }

  note(id: string): void {
    if (this.#newest === undefined || id > this.#newest) this.#newest = id;
  }
}

const columns = [
  ...(['id', 'owner', 'state', 'spec_json', 'attempt', 'vm_name', 'cancel_requested', 'created_at_ms'] as const),
  ...(['started_at_ms', 'ended_at_ms', 'result_json', 'priority', 'runtime', 'cpus', 'memory_bytes'] as const),
  ...(['disk_bytes', 'timeout_ms', 'assigned_at_ms', 'kept_bytes'] as const),
] satisfies readonly (keyof Row)[];

const insertRow = new Prepared<Row>((db, place) =>
  db.insertInto('job').values(Object.fromEntries(columns.map((name) => [name, place(name)])) as unknown as Row),
);

async function insert(tx: Transaction<Tables>, job: Job): Promise<void> {
  await insertRow.run(tx, toRow(job));
  await insertInputs(tx, job);
  await queue.joinQueue(tx, job.owner, job.createdAtMs);
}

async function insertOnce(tx: Transaction<Tables>, job: Job, once: OnceKey): Promise<OnceAnswer> {
  const answer = await rememberOnce(tx, once, job.id, job.createdAtMs);
  if (answer.state === 'first') await insert(tx, job);
  return answer;
}

function fileOf({ path, size_bytes: sizeBytes, blob }: Selectable<Tables['job_file']>): JobFile {
  return { path, sizeBytes, blob };
}

const rowOf = new Prepared<{ id: string }, Row>((db, place) =>
  db.selectFrom('job').selectAll().where('id', '=', place('id')),
);

async function getJob(db: Db, id: string): Promise<Job | undefined> {
  const row = await rowOf.first(db, { id });
  return row === undefined ? undefined : fromRow(row);
}

async function getJobs(db: Db, ids: readonly string[]): Promise<Job[]> {
  const listed = sql<boolean>`id in (select value from json_each(${JSON.stringify(ids)}))`;
  return (await db.selectFrom('job').selectAll().where(listed).execute()).map(fromRow);
}

async function listJobs(db: Db, { states, owner, before, limit }: JobPage): Promise<Job[]> {
  const newest = async (state?: JobState): Promise<Row[]> => {
    let query = db.selectFrom('job').selectAll().orderBy('id', 'desc').limit(limit);
    if (owner !== undefined) query = query.where('owner', '=', owner);
    if (state !== undefined) query = query.where('state', '=', state);
    if (before !== undefined) query = query.where('id', '<', before);
    return query.execute();
  };
  if (states === undefined) return (await newest()).map(fromRow);
  // One query a state: an index has the order of ids only within one.
  const rows = (await Promise.all([...new Set(states)].map(newest))).flat();
  return rows
    .sort((a, b) => (a.id < b.id ? 1 : -1))
    .slice(0, limit)
    .map(fromRow);
}

const runRow = new Prepared<{ id: string; attempt: number; nowMs: number }>((db, place) =>
  db
    .updateTable('job')
    .set({ state: 'running', started_at_ms: place('nowMs') })
    .where('id', '=', place('id'))
    .where('attempt', '=', place('attempt'))
    .where('state', 'in', statesThatCan('run')),
);

async function markRunning(db: Db, id: string, attempt: number, nowMs: number): Promise<boolean> {
  return (await runRow.run(db, { id, attempt, nowMs })).numAffectedRows === 1n;
}

interface EndValues {
  readonly id: string;
  readonly attempt: number;
  readonly state: JobState;
  readonly nowMs: number;
  readonly resultJson: string;
  readonly keptBytes: number;
}

const endRow = new Prepared<EndValues, queue.ChargedRow>((db, place) =>
  db
    .updateTable('job')
    .set({
      state: place('state'),
      ended_at_ms: place('nowMs'),
      result_json: place('resultJson'),
      kept_bytes: place('keptBytes'),
    })
    .where('id', '=', place('id'))
    .where('attempt', '=', place('attempt'))
    .where('state', 'in', statesThatCan('finish'))
    .returning(['owner', 'cpus', 'memory_bytes', 'assigned_at_ms']),
);

async function finish(
  tx: Transaction<Tables>,
  id: string,
  attempt: number,
  { state, nowMs, result, files, logBytes = 0 }: JobEnd,
  halfLifeMs: number,
): Promise<boolean> {
  const keptBytes = files.reduce((sum, file) => sum + file.sizeBytes, logBytes);
  const job = await endRow.first(tx, { id, attempt, state, nowMs, resultJson: JSON.stringify(result), keptBytes });
  if (job === undefined) return false;
  await endAttempt(tx, id, attempt, state);
  await queue.charge(tx, job, nowMs, halfLifeMs);
  for (const file of files) {
    const row = { job_id: id, path: file.path, size_bytes: file.sizeBytes, blob: file.blob };
    await tx.insertInto('job_file').values(row).execute();
  }
  return true;
}

interface AttemptAt {
  readonly id: string;
  readonly attempt: number;
  readonly nowMs: number;
  readonly halfLifeMs: number;
}

async function requeue(
  tx: Transaction<Tables>,
  { id, attempt, nowMs, halfLifeMs }: AttemptAt,
  { outcome, excludedKeyId, logBytes = 0 }: Requeue = { outcome: 'requeued' },
): Promise<boolean> {
  const message = 'it was cancelled when its worker could not go on with it';
  const cancelled = JSON.stringify({ ...emptyResult, message });
  // A cancellation may have come at any time before this, and must not be forgotten.
  const job = await tx
    .updateTable('job')
    .set({
      state: sql<JobState>`case when cancel_requested = 1 then 'cancelled' else 'queued' end`,
      vm_name: sql<string | null>`case when cancel_requested = 1 then vm_name end`,
      started_at_ms: sql<number | null>`case when cancel_requested = 1 then started_at_ms end`,
      ended_at_ms: sql<number | null>`case when cancel_requested = 1 then ${nowMs} end`,
      result_json: sql<string | null>`case when cancel_requested = 1 then ${cancelled} end`,
      kept_bytes: sql<number>`case when cancel_requested = 1 then ${logBytes} else 0 end`,
    })
    .where('id', '=', id)
    .where('attempt', '=', attempt)
    .where('state', 'in', statesThatCan('requeue'))
    .returning(['owner', 'state', 'cpus', 'memory_bytes', 'assigned_at_ms'])
    .executeTakeFirst();
  if (job === undefined) return false;
  await queue.charge(tx, job, nowMs, halfLifeMs);
  if (job.state === 'cancelled') {
    await endAttempt(tx, id, attempt, 'cancelled');
    return true;
  }
  await endAttempt(tx, id, attempt, outcome);
  await queue.changeQueue(tx, job.owner, 1);
  if (excludedKeyId === undefined) return true;
  const exclusion = { job_id: id, key_id: excludedKeyId };
  await tx
    .insertInto('job_exclusion')
    .values(exclusion)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return true;
}

async function readmit(tx: Transaction<Tables>, id: string, keyIds: readonly string[]): Promise<void> {
  const job = await tx.selectFrom('job').select(['owner', 'state']).where('id', '=', id).executeTakeFirst();
  if (job?.state !== 'queued') return;
  await tx.deleteFrom('job_exclusion').where('job_id', '=', id).where('key_id', 'in', keyIds).execute();
  // As many jobs are queued as before, and one of them is another one.
  await queue.changeQueue(tx, job.owner, 0);
}

const endAttemptRow = new Prepared<{ id: string; attempt: number; outcome: string }>((db, place) =>
  db
    .updateTable('attempt')
    .set({ outcome: place('outcome') })
    .where('job_id', '=', place('id'))
    .where('number', '=', place('attempt')),
);

async function endAttempt(tx: Transaction<Tables>, id: string, attempt: number, outcome: string): Promise<void> {
  await endAttemptRow.run(tx, { id, attempt, outcome });
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
  if (isQueued) await queue.changeQueue(tx, job.owner, -1);
  return isQueued ? 'cancelled' : 'requested';
}

async function meanRunMs(db: Db, count: number): Promise<number | null> {
  const newest = db
    .selectFrom('job')
    .select((e) => e('ended_at_ms', '-', e.ref('started_at_ms')).as('ran_ms'))
    .where('started_at_ms', 'is not', null)
    .where('ended_at_ms', 'is not', null)
    .orderBy('ended_at_ms', 'desc')
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
    priority: job.spec.priority,
    runtime: runtimeOf(job.spec),
    cpus: job.spec.limits.cpus,
    memory_bytes: job.spec.limits.memoryBytes,
    disk_bytes: heldDiskBytes(job.spec.limits),
    timeout_ms: job.spec.limits.timeoutMs,
    assigned_at_ms: null,
    kept_bytes: 0,
  };
}

/** What specs did not have yet when old jobs were written. */
const laterSpecFields = {
  priority: 0,
  labels: {},
  source: 'script',
  requirementsBlob: null,
  inputBytes: { script: 0, data: 0, requirements: 0 },
} as const;

function fromRow(row: Row): Job {
  return {
    id: row.id,
    owner: row.owner,
    state: row.state,
    spec: { ...laterSpecFields, ...JSON.parse(row.spec_json) },
    attempt: row.attempt,
    vmName: row.vm_name,
    cancelRequested: row.cancel_requested === 1,
    createdAtMs: row.created_at_ms,
    startedAtMs: row.started_at_ms,
    endedAtMs: row.ended_at_ms,
    result: row.result_json === null ? null : JSON.parse(row.result_json),
  };
}
