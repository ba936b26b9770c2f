import { type Kysely, type Migration, sql } from 'kysely';

/** What jobs keep, and requests that take effect once. */
export interface StorageTables {
  /** The blobs that each job began with; those that it left are in job_file. */
  job_input: { owner: string; blob: string; job_id: string; size_bytes: number };
  once: { owner: string; key: string; request_hash: string; outcome: string; created_at_ms: number };
}

/** Columns of a job beside its spec. */
export interface StorageColumns {
  /** Its files and logs; its inputs are in job_input. */
  kept_bytes: number;
}

const statements = [
  `create table job_input (
    owner text not null, blob text not null, job_id text not null, size_bytes integer not null,
    primary key (owner, blob, job_id)) without rowid`,
  `create index job_input_by_blob on job_input (blob)`,
  `create index job_file_by_blob on job_file (blob)`,
  `alter table job add column kept_bytes integer not null default 0`,
  // Most jobs keep next to nothing, and a sum must not walk over specs of megabytes.
  `create index job_kept on job (owner, kept_bytes) where kept_bytes > 0`,
  `create index job_ended on job (owner, ended_at_ms, attempt) where ended_at_ms is not null`,
  // Of older jobs the sizes of the inputs are not known.
  `insert into job_input
    select owner, json_extract(spec_json, '$.scriptBlob'), id, 0 from job
      where json_extract(spec_json, '$.scriptBlob') is not null
    union select owner, json_extract(spec_json, '$.dataBlob'), id, 0 from job
      where json_extract(spec_json, '$.dataBlob') is not null`,
  `update job set kept_bytes = (select coalesce(sum(size_bytes), 0) from job_file where job_id = job.id)
    where ended_at_ms is not null`,
  `create table once (
    owner text not null, key text not null, request_hash text not null, outcome text not null,
    created_at_ms integer not null, primary key (owner, key))`,
  `create index once_by_age on once (created_at_ms)`,
];

export const storageMigration: Migration = {
  async up(db: Kysely<StorageTables>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
