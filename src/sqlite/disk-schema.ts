import { type Kysely, type Migration, sql } from 'kysely';

/** What a job holds of its worker's disk: `heldDiskBytes`. */
export interface DiskColumns {
  disk_bytes: number;
}

const statements = [
  `alter table job add column disk_bytes integer not null default 0`,
  // Jobs that have ended hold nothing.
  `update job set disk_bytes = coalesce(json_extract(spec_json, '$.limits.diskBytes'), 0)
    + 2 * coalesce(json_extract(spec_json, '$.limits.outputBytes'), 0)
    where state in ('queued', 'starting', 'running')`,
  `drop index job_queue`,
  `create index job_queue on job (
    owner, priority desc, id, runtime, cpus, memory_bytes, disk_bytes, timeout_ms, created_at_ms) where state = 'queued'`,
  `drop index job_active`,
  `create index job_active on job (
    vm_name, id, owner, attempt, cpus, memory_bytes, disk_bytes, timeout_ms, assigned_at_ms)
    where state in ('starting', 'running')`,
];

export const diskMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
