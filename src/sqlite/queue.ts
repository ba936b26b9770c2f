import { type Kysely, type RawBuilder, type Selectable, sql, type Transaction } from 'kysely';
import { emptyResult, type JobState } from '../domain/job.ts';
import type { Assignment, CancelFilter, Cancelled, RejectFilter } from '../domain/job-store.ts';
import type { Holding, QueuedJob, QueueUser, WorkerShape } from '../domain/queue.ts';
import { chargedCpus, decayed, held } from '../domain/usage.ts';
import { KeptRows } from './kept-rows.ts';
import { Prepared } from './prepared.ts';
import { queueLevels } from './queue-block-schema.ts';
import type { Tables } from './schema.ts';
import { statesThatCan } from './states.ts';

type Db = Kysely<Tables>;
type Tx = Transaction<Tables>;

// Spelt out in the SQL: SQLite takes a partial index only where it sees the index's own condition in the query.
const isQueued = sql<boolean>`state = 'queued'`;
export const isActive = sql<boolean>`state in ('starting', 'running')`;

/** JobStore.queueUsers. */
export async function queueUsers(db: Db): Promise<QueueUser[]> {
  const rows = await db.selectFrom('queue_user').selectAll().where(sql<boolean>`queued > 0`).orderBy('name').execute();
  return rows.map((row) => ({
    name: row.name,
    queued: row.queued,
    usage: { cpuMs: row.usage_cpu_ms, atMs: row.usage_at_ms },
    firstSinceMs: row.first_since_ms,
    changes: row.changes,
  }));
}

type QueueRow = [string, number, string, number, number, number, number, number, string | null];

const queueColumns = sql.raw('id, priority, runtime, cpus, memory_bytes, disk_bytes, timeout_ms, created_at_ms');
/** One row as `QueueRow`, with the key ids of workers that could not run the job. */
const queueRow = sql`json_array(${queueColumns}, (select group_concat(key_id) from job_exclusion where job_id = id))`;

/**
 * JobStore.queuedOf: one query for all users, since each query costs more than the few rows that it brings. The inner
 * part reads the index `job_queue` alone.
 */
export async function queuedOf(
  db: Db,
  users: readonly string[],
  limit: number,
): Promise<ReadonlyMap<string, readonly QueuedJob[]>> {
  const { rows } = await sql<{ owner: string; jobs: string }>`
    select who.value as owner, (
      select json_group_array(${queueRow}) from (
        select ${queueColumns} from job
        where state = 'queued' and owner = who.value order by priority desc, id limit ${limit}
      )) as jobs
    from json_each(${JSON.stringify(users)}) as who`.execute(db);
  return queuesFrom(rows);
}

/** Queued jobs that are looked at for one that can run. Of a longer queue the rest has to wait. */
const mostLookedAt = 20_000;

/** JobStore.runnableOf. */
export async function runnableOf(
  db: Db,
  users: readonly { readonly name: string; readonly maxCpus: number }[],
  shapes: readonly WorkerShape[],
  limit: number,
): Promise<ReadonlyMap<string, readonly QueuedJob[]>> {
  const fits = shapes.map(
    ({ runtimes, cpus, memoryBytes, diskBytes }) => sql<boolean>`(cpus <= ${cpus} + 1e-6
      and memory_bytes <= ${memoryBytes} and disk_bytes <= ${diskBytes} and runtime in (${sql.join(runtimes)}))`,
  );
  // JSON has no infinity; no job has as many CPUs.
  const who = users.map(({ name, maxCpus }) => [name, Math.min(maxCpus, Number.MAX_SAFE_INTEGER)]);
  const { rows } = await sql<{ owner: string; jobs: string }>`
    select who.value ->> 0 as owner, (
      select json_group_array(${queueRow}) from (
        select ${queueColumns} from (
          select ${queueColumns} from job
          where state = 'queued' and owner = who.value ->> 0 order by priority desc, id limit ${mostLookedAt}
        ) where cpus <= (who.value ->> 1) + 1e-6 and (${sql.join(fits, sql` or `)})
        order by priority desc, id limit ${limit}
      )) as jobs
    from json_each(${JSON.stringify(who)}) as who`.execute(db);
  return queuesFrom(rows);
}

function queuesFrom(
  rows: readonly { readonly owner: string; readonly jobs: string }[],
): ReadonlyMap<string, readonly QueuedJob[]> {
  return new Map(
    rows.map(({ owner, jobs }) => [
      owner,
      (JSON.parse(jobs) as QueueRow[]).map(
        ([id, priority, runtime, cpus, memoryBytes, diskBytes, timeoutMs, createdAtMs, excluded]) => ({
          ...{ id, owner, priority, runtime, cpus, memoryBytes, diskBytes, timeoutMs, createdAtMs },
          ...(excluded === null ? {} : { excluded: excluded.split(',') }),
        }),
      ),
    ]),
  );
}

const countAll = new Prepared<object, { queued: number | null }>((db) =>
  db
    .selectFrom('queue_user')
    .select((e) => e.fn.sum<number | null>('queued').as('queued'))
    .where(sql<boolean>`queued > 0`),
);

/** JobStore.countQueued. */
export async function countQueued(db: Db, user?: string): Promise<number> {
  const row = user === undefined ? await countAll.first(db, {}) : await userRow.first(db, { owner: user });
  return row?.queued ?? 0;
}

/**
 * JobStore.countAhead: by the counts of blocks of ids, since a queue may be long. At each level the blocks before the
 * job's own within the block of the level above are added, and the jobs before it in the smallest block are counted.
 */
export async function countAhead(
  db: Db,
  { id, owner, priority }: Pick<QueuedJob, 'id' | 'owner' | 'priority'>,
): Promise<number> {
  const parts = [
    sql`select count from queue_block where owner = ${owner} and level = 0 and priority > ${priority}`,
    ...queueLevels.slice(1).map((level, i) => {
      const [from, to] = [id.slice(0, queueLevels[i]), id.slice(0, level)];
      return sql`select count from queue_block where owner = ${owner} and level = ${sql.lit(level)}
        and priority = ${priority} and prefix >= ${from} and prefix < ${to}`;
    }),
    sql`select count(*) from job where state = 'queued' and owner = ${owner} and priority = ${priority}
      and id >= ${id.slice(0, queueLevels.at(-1))} and id < ${id}`,
  ];
  const { rows } = await sql<{ ahead: number }>`
    select coalesce(sum(count), 0) as ahead from (${sql.join(parts, sql` union all `)})`.execute(db);
  return rows[0]?.ahead ?? 0;
}

/** The active jobs, of which each loop asks several times a second: JobStore.holdings. */
export function keptHoldings(db: Db): KeptRows<Holding> {
  return new KeptRows(db, {
    table: 'job',
    key: 'id',
    belongs: (row) => `${row}.state in ('starting', 'running')`,
    async read(keys) {
      const columns = [
        'id',
        'owner',
        'state',
        'vm_name',
        'attempt',
        'cpus',
        'memory_bytes',
        'disk_bytes',
        'timeout_ms',
      ] as const;
      const query = db
        .selectFrom('job')
        .select([...columns, 'assigned_at_ms'])
        .where(isActive)
        .where(keys);
      return (await query.execute()).map(toHolding);
    },
    keyOf: ({ jobId }) => jobId,
    groupOf: ({ worker }) => worker,
    compare: (a, b) => (a.worker === b.worker ? order(a.jobId, b.jobId) : order(a.worker, b.worker)),
  });
}

type HoldingColumn =
  | 'id'
  | 'owner'
  | 'state'
  | 'vm_name'
  | 'attempt'
  | 'cpus'
  | 'memory_bytes'
  | 'disk_bytes'
  | 'timeout_ms'
  | 'assigned_at_ms';

function toHolding(row: Pick<Selectable<Tables['job']>, HoldingColumn>): Holding {
  return {
    jobId: row.id,
    owner: row.owner,
    isRunning: row.state === 'running',
    worker: row.vm_name ?? '',
    attempt: row.attempt,
    cpus: row.cpus,
    memoryBytes: row.memory_bytes,
    diskBytes: row.disk_bytes,
    timeoutMs: row.timeout_ms,
    assignedAtMs: row.assigned_at_ms ?? 0,
  };
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const assignRow = new Prepared<{ jobId: string; worker: string; nowMs: number }, Selectable<Tables['job']>>(
  (db, place) =>
    db
      .updateTable('job')
      .set((e) => ({
        state: 'starting',
        vm_name: place('worker'),
        attempt: e('attempt', '+', 1),
        assigned_at_ms: place('nowMs'),
      }))
      .where('id', '=', place('jobId'))
      .where('state', 'in', statesThatCan('assign'))
      .returningAll(),
);

const insertAttempt = new Prepared<{ jobId: string; number: number; worker: string; nowMs: number }>((db, place) =>
  db.insertInto('attempt').values({
    job_id: place('jobId'),
    number: place('number'),
    vm_name: place('worker'),
    assigned_at_ms: place('nowMs'),
    outcome: null,
  }),
);

/** JobStore.assign; the rows of the jobs that are assigned now. */
export async function assign(
  tx: Tx,
  assignments: readonly Assignment[],
  nowMs: number,
): Promise<Selectable<Tables['job']>[]> {
  const ready = await readyVms(tx, assignments);
  const rows: Selectable<Tables['job']>[] = [];
  for (const { jobId, worker } of assignments) {
    if (!ready.has(worker)) continue;
    const row = await assignRow.first(tx, { jobId, worker, nowMs });
    if (row === undefined) continue;
    await insertAttempt.run(tx, { jobId, number: row.attempt, worker, nowMs });
    rows.push(row);
  }
  const owners = [...new Set(rows.map((row) => row.owner))];
  const nexts = await queuedOf(tx, owners, 1);
  for (const owner of owners) {
    const left = rows.filter((row) => row.owner === owner);
    const next = nexts.get(owner)?.[0];
    const hadFirst = next === undefined || left.some((row) => isBefore(row, next));
    await changeQueue(tx, owner, -left.length, hadFirst ? nowMs : undefined);
  }
  return rows;
}

function isBefore(a: Pick<QueuedJob, 'id' | 'priority'>, b: Pick<QueuedJob, 'id' | 'priority'>): boolean {
  return a.priority > b.priority || (a.priority === b.priority && a.id < b.id);
}

async function readyVms(tx: Tx, assignments: readonly Assignment[]): Promise<Set<string>> {
  const names = JSON.stringify([...new Set(assignments.map(({ worker }) => worker))]);
  const isNamed = sql<boolean>`name in (select value from json_each(${names}))`;
  const rows = await tx
    .selectFrom('vm')
    .select('name')
    .where(isNamed)
    .where('state', '=', 'ready')
    .where('standing', '=', 0)
    .execute();
  return new Set(rows.map((row) => row.name));
}

const joinRow = new Prepared<{ owner: string; nowMs: number }>((db, place) =>
  db
    .insertInto('queue_user')
    .values({
      name: place('owner'),
      queued: 1,
      usage_cpu_ms: 0,
      usage_at_ms: place('nowMs'),
      first_since_ms: place('nowMs'),
      changes: 1,
    })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((e) => ({
        queued: e('queue_user.queued', '+', 1),
        changes: e('queue_user.changes', '+', 1),
        first_since_ms: sql`case when queue_user.queued = 0 then excluded.first_since_ms else queue_user.first_since_ms end`,
      })),
    ),
);

/** A job came into its owner's queue. */
export async function joinQueue(tx: Tx, owner: string, nowMs: number): Promise<void> {
  await joinRow.run(tx, { owner, nowMs });
}

/** Adds jobs to the count of a queue, or takes some away (below 0). @param firstSinceMs given when its first one was started */
export async function changeQueue(tx: Tx, owner: string, count: number, firstSinceMs?: number): Promise<void> {
  await tx
    .updateTable('queue_user')
    .set((e) => ({
      queued: e('queued', '+', count),
      changes: e('changes', '+', 1),
      ...(firstSinceMs === undefined ? {} : { first_since_ms: firstSinceMs }),
    }))
    .where('name', '=', owner)
    .execute();
}

const userRow = new Prepared<{ owner: string }, Selectable<Tables['queue_user']>>((db, place) =>
  db.selectFrom('queue_user').selectAll().where('name', '=', place('owner')),
);

const chargeRow = new Prepared<{ owner: string; usageCpuMs: number; nowMs: number }>((db, place) =>
  db
    .updateTable('queue_user')
    .set({ usage_cpu_ms: place('usageCpuMs'), usage_at_ms: place('nowMs') })
    .where('name', '=', place('owner')),
);

/** Columns of a job by which its owner is charged. */
export type ChargedRow = Pick<Selectable<Tables['job']>, 'owner' | 'cpus' | 'memory_bytes' | 'assigned_at_ms'>;

/** Charges a job's owner for what it held from its assignment until now. */
export async function charge(tx: Tx, job: ChargedRow, nowMs: number, halfLifeMs: number): Promise<void> {
  const { owner } = job;
  const user = await userRow.first(tx, { owner });
  if (user === undefined) throw new RangeError(`the owner ${owner} of a job has no row`);
  const before = decayed({ cpuMs: user.usage_cpu_ms, atMs: user.usage_at_ms }, nowMs, halfLifeMs);
  const cpus = chargedCpus({ cpus: job.cpus, memoryBytes: job.memory_bytes });
  const usageCpuMs = before + held(cpus, job.assigned_at_ms ?? nowMs, nowMs, halfLifeMs);
  await chargeRow.run(tx, { owner, usageCpuMs, nowMs });
}

/** JobStore.reject. */
export async function reject(tx: Tx, which: RejectFilter, message: string, nowMs: number): Promise<string[]> {
  const result_json = JSON.stringify({ ...emptyResult, message });
  let update = tx.updateTable('job').set({ state: 'rejected', ended_at_ms: nowMs, result_json }).where(isQueued);
  update = 'runtime' in which ? update.where('runtime', '=', which.runtime) : update.where('id', 'in', [...which.ids]);
  const rows = await update.returning(['id', 'owner']).execute();
  for (const owner of new Set(rows.map((row) => row.owner))) {
    await changeQueue(tx, owner, -rows.filter((row) => row.owner === owner).length);
  }
  return rows.map(({ id }) => id);
}

/** JobStore.cancelMany. */
export async function cancelMany(tx: Tx, filter: CancelFilter, limit: number, nowMs: number): Promise<Cancelled> {
  const wants = (state: JobState): boolean => filter.states?.includes(state) ?? true;
  const cancelled: string[] = [];
  const requested: string[] = [];
  const leaving = new Map<string, number>();
  if (wants('queued')) {
    for (const { id, owner } of await matching(tx, isQueued, filter, limit)) {
      const change = { state: 'cancelled' as const, ended_at_ms: nowMs, cancel_requested: 1 };
      await tx.updateTable('job').set(change).where('id', '=', id).execute();
      leaving.set(owner, (leaving.get(owner) ?? 0) + 1);
      cancelled.push(id);
    }
  }
  for (const [owner, count] of leaving) await changeQueue(tx, owner, -count);
  for (const { id, state } of await matching(tx, isActive, filter, limit - cancelled.length)) {
    if (!wants(state)) continue;
    await tx.updateTable('job').set({ cancel_requested: 1 }).where('id', '=', id).execute();
    requested.push(id);
  }
  return { cancelled, requested };
}

function matching(tx: Tx, inState: RawBuilder<boolean>, filter: CancelFilter, limit: number) {
  let query = tx.selectFrom('job').select(['id', 'owner', 'state']).where(inState).where('cancel_requested', '=', 0);
  if (filter.owner !== undefined) query = query.where('owner', '=', filter.owner);
  if (filter.ids !== undefined) query = query.where('id', 'in', [...filter.ids]);
  for (const [key, value] of Object.entries(filter.labels ?? {})) {
    query = query.where(sql`json_extract(spec_json, '$.labels.' || json_quote(${key}))`, '=', value);
  }
  return query.limit(limit).execute();
}
