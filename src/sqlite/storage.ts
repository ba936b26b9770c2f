import { type Kysely, sql, type Transaction } from 'kysely';
import type { StoredBlob } from '../domain/blob-store.ts';
import { type Job, type JobSpec, jobStates } from '../domain/job.ts';
import type { EndedJob, EndedPage, StorageStore } from '../domain/storage.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Tables } from './schema.ts';

type Db = Kysely<Tables>;
type Tx = Transaction<Tables>;

const leftOlder = 'files-of-another-database';

/** Values of one `in (...)`: SQLite takes 32,766 in all. */
const listed = 1_000;

/** StorageStore on SQL. */
export function sqlStorageStore(db: Db, group: GroupCommit<Tables>): StorageStore {
  return {
    usedBytes: (owner, adding) => usedBytes(db, owner, adding),
    inUse: (blobs) => inUse(db, blobs),
    known: (ids) => known(db, ids),
    async hasHistory() {
      const found = await sql`select 1 from queue_user union all select 1 from revision limit 1`.execute(db);
      return found.rows.length > 0;
    },
    async leftOlderMs() {
      const row = await db.selectFrom('setting').select('value').where('name', '=', leftOlder).executeTakeFirst();
      return row === undefined ? undefined : Number(row.value);
    },
    async leaveOlder(thanMs) {
      const note = { name: leftOlder, value: String(thanMs) };
      await group.run(async (tx) => {
        await tx
          .insertInto('setting')
          .values(note)
          .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: note.value }))
          .execute();
      });
    },
    async owners() {
      const hasJobs = sql<boolean>`exists (select 1 from job where owner = queue_user.name)`;
      const rows = await db.selectFrom('queue_user').select('name').where(hasJobs).orderBy('name').execute();
      return rows.map((row) => row.name);
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
  const user = await db.selectFrom('storage_user').selectAll().where('name', '=', owner).executeTakeFirst();
  const used = (user?.input_bytes ?? 0) + (user?.kept_bytes ?? 0);
  return adding.length === 0 ? used : used + (await addedBytes(db, owner, adding));
}

/** Bytes of those that the user's jobs do not have yet. */
async function addedBytes(db: Db, owner: string, adding: readonly StoredBlob[]): Promise<number> {
  const sizes = new Map<string, number>();
  for (const { id, sizeBytes } of adding) sizes.set(id, Math.max(sizeBytes, sizes.get(id) ?? 0));
  const query = db.selectFrom('user_blob').select(['blob', 'size_bytes']).where('owner', '=', owner);
  for (const { blob, size_bytes } of await query.where('blob', 'in', [...sizes.keys()]).execute()) {
    sizes.set(blob, Math.max(0, (sizes.get(blob) ?? 0) - size_bytes));
  }
  return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
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
