import { type Kysely, sql, type Transaction } from 'kysely';
import type { StoredBlob } from '../domain/blob-store.ts';
import { type Job, type JobSpec, jobStates } from '../domain/job.ts';
import type { EndedJob, EndedPage, StorageStore } from '../domain/storage.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Tables } from './schema.ts';

type Db = Kysely<Tables>;
type Tx = Transaction<Tables>;

/** Values of one `in (...)`: SQLite takes 32,766 in all. */
const listed = 1_000;

/** StorageStore on SQL. */
export function sqlStorageStore(db: Db, group: GroupCommit<Tables>): StorageStore {
  return {
    usedBytes: (owner, adding) => usedBytes(db, owner, adding),
    inUse: (blobs) => inUse(db, blobs),
    known: (ids) => known(db, ids),
    async owners() {
      const rows = await db.selectFrom('job').select('owner').distinct().orderBy('owner').execute();
      return rows.map((row) => row.owner);
    },
    ended: (owner, page) => ended(db, owner, page),
    deleteJob: (id) => group.run((tx) => deleteJob(tx, id)),
  };
}

/** Writes down which blobs a job refers to. In plain SQL: it is part of every submission. */
export async function insertInputs(tx: Tx, { id, owner, spec }: Pick<Job, 'id' | 'owner' | 'spec'>): Promise<void> {
  const rows = inputsOf(spec).map(({ blob, sizeBytes }) => sql`(${owner}, ${blob}, ${id}, ${sizeBytes})`);
  if (rows.length === 0) return;
  await sql`insert into job_input (owner, blob, job_id, size_bytes) values ${sql.join(rows)}
    on conflict do nothing`.execute(tx);
}

function inputsOf({ scriptBlob, dataBlob, requirementsBlob, inputBytes }: JobSpec) {
  return [
    ...(scriptBlob === null ? [] : [{ blob: scriptBlob, sizeBytes: inputBytes.script }]),
    ...(dataBlob === null ? [] : [{ blob: dataBlob, sizeBytes: inputBytes.data }]),
    ...(requirementsBlob === null ? [] : [{ blob: requirementsBlob, sizeBytes: inputBytes.requirements }]),
  ];
}

async function usedBytes(db: Db, owner: string, adding: readonly StoredBlob[]): Promise<number> {
  const added = adding.map(({ id, sizeBytes }) => sql`union all select ${id}, ${sizeBytes}`);
  const { rows } = await sql<{ bytes: number }>`
    select (select coalesce(sum(size_bytes), 0) from (select max(size_bytes) as size_bytes from
        (select blob, size_bytes from job_input where owner = ${owner} ${sql.join(added, sql` `)}) group by blob)) +
      (select coalesce(sum(kept_bytes), 0) from job where owner = ${owner} and kept_bytes > 0) as bytes`.execute(db);
  return rows[0]?.bytes ?? 0;
}

async function inUse(db: Db, blobs: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (const some of pieces(blobs)) {
    const inputs = db.selectFrom('job_input').select('blob').where('blob', 'in', some);
    const files = db.selectFrom('job_file').select('blob').where('blob', 'in', some);
    for (const { blob } of await inputs.union(files).execute()) found.add(blob);
  }
  return found;
}

async function known(db: Db, ids: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (const some of pieces(ids)) {
    for (const { id } of await db.selectFrom('job').select('id').where('id', 'in', some).execute()) found.add(id);
  }
  return found;
}

function* pieces(all: readonly string[]): Generator<string[]> {
  for (let at = 0; at < all.length; at += listed) yield all.slice(at, at + listed);
}

async function ended(db: Db, owner: string, page: EndedPage): Promise<EndedJob[]> {
  const { limit, beforeMs, withoutNewest = 0 } = page;
  let query = db
    .selectFrom('job')
    .select(['id', 'attempt'])
    .where('owner', '=', owner)
    .where('ended_at_ms', 'is not', null)
    .orderBy('ended_at_ms');
  if (beforeMs !== undefined) query = query.where('ended_at_ms', '<', beforeMs);
  const run = async (most: number) => (await query.limit(most).execute()).map(({ id, attempt }) => ({ id, attempt }));
  if (withoutNewest === 0) return run(limit);
  const { count } = await db
    .selectFrom('job')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('owner', '=', owner)
    .where('ended_at_ms', 'is not', null)
    .executeTakeFirstOrThrow();
  return count <= withoutNewest ? [] : run(Math.min(limit, count - withoutNewest));
}

async function deleteJob(tx: Tx, id: string): Promise<'deleted' | 'active' | 'unknown'> {
  const job = await tx.selectFrom('job').select(['owner', 'state']).where('id', '=', id).executeTakeFirst();
  if (job === undefined) return 'unknown';
  if (!jobStates[job.state].ended) return 'active';
  for (const table of ['attempt', 'job_file'] as const) await tx.deleteFrom(table).where('job_id', '=', id).execute();
  const inputs = sql<string>`select json_extract(spec_json, '$.' || value) from job,
    json_each('["scriptBlob","dataBlob","requirementsBlob"]') where job.id = ${id}`;
  await sql`delete from job_input where owner = ${job.owner} and blob in (${inputs}) and job_id = ${id}`.execute(tx);
  await tx.deleteFrom('job').where('id', '=', id).execute();
  return 'deleted';
}
