import { type Kysely, type Migration, sql } from 'kysely';

/** What scheduling needs to know, where the database can order by it. */
export interface QueueTables {
  /** Users that ever had a job. */
  queue_user: {
    name: string;
    queued: number;
    usage_cpu_ms: number;
    usage_at_ms: number;
    first_since_ms: number;
    changes: number;
  };
}

/** Columns of a job beside its spec: the parts of it that the scheduler reads. */
export interface QueueColumns {
  priority: number;
  runtime: string;
  cpus: number;
  memory_bytes: number;
  timeout_ms: number;
  /** When its present attempt was assigned. */
  assigned_at_ms: number | null;
}

const statements = [
  `alter table job add column priority integer not null default 0`,
  `alter table job add column runtime text not null default ''`,
  `alter table job add column cpus real not null default 0`,
  `alter table job add column memory_bytes integer not null default 0`,
  `alter table job add column timeout_ms integer not null default 0`,
  `alter table job add column assigned_at_ms integer`,
  `update job set
    runtime = json_extract(spec_json, '$.runtime'),
    cpus = json_extract(spec_json, '$.limits.cpus'),
    memory_bytes = json_extract(spec_json, '$.limits.memoryBytes'),
    timeout_ms = json_extract(spec_json, '$.limits.timeoutMs'),
    assigned_at_ms = (select max(assigned_at_ms) from attempt where job_id = job.id)
    where state in ('queued', 'starting', 'running')`,
  // Both cover what is read from them: a job's row may have a spec of megabytes, which must not be walked over.
  `create index job_queue on job (
    owner, priority desc, id, runtime, cpus, memory_bytes, timeout_ms, created_at_ms) where state = 'queued'`,
  `create index job_active on job (
    vm_name, id, owner, attempt, cpus, memory_bytes, timeout_ms, assigned_at_ms)
    where state in ('starting', 'running')`,
  `drop index job_open`,
  // Of 100,000 queued jobs the newest that ended is not found by its id.
  `create index job_ran on job (ended_at_ms, started_at_ms) where started_at_ms is not null and ended_at_ms is not null`,
  `create table queue_user (
    name text primary key, queued integer not null, usage_cpu_ms real not null, usage_at_ms integer not null,
    first_since_ms integer not null, changes integer not null)`,
  `insert into queue_user
    select owner, sum(state = 'queued'), 0, 0, min(created_at_ms), 0 from job group by owner`,
];

export const queueMigration: Migration = {
  async up(db: Kysely<QueueTables>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
