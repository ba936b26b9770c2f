import { type Kysely, type Migration, sql } from 'kysely';
import { queueBlockTriggers } from './queue-block-triggers.ts';

/** Counters that triggers keep, in the transaction of whatever they count: see docs/adr/0040-counters-by-triggers.md. */
export interface CostTables {
  /** Bytes that a user's jobs keep: each input once, and what `job.kept_bytes` says. */
  storage_user: { name: string; input_bytes: number; kept_bytes: number };
  /** The inputs of a user's jobs, each once. */
  user_blob: { owner: string; blob: string; jobs: number; size_bytes: number };
  /** Queued jobs of a user and priority by the beginnings of their ids, at each of the levels. */
  queue_block: { owner: string; level: number; priority: number; prefix: string; count: number };
}

/** Levels of the counters in this migration; `queueLevels` of queue-block-schema.ts has the present ones. */
const firstLevels = [0, 6, 7, 8, 9];

const keeps = (owner: string, column: 'input_bytes' | 'kept_bytes', bytes: string): string => {
  const [input, kept] = column === 'input_bytes' ? [bytes, '0'] : ['0', bytes];
  return `insert into storage_user (name, input_bytes, kept_bytes) values (${owner}, ${input}, ${kept})
    on conflict do update set ${column} = ${column} + excluded.${column};`;
};

const statements = [
  // The lists of jobs by state.
  `create index job_by_state on job (state, id)`,
  `create index job_by_owner_state on job (owner, state, id)`,
  `create index queue_user_waiting on queue_user (name) where queued > 0`,
  `create index event_by_pool on event (pool, id)`,
  `create index event_by_name on event (name, id)`,

  `create table queue_block (
    owner text not null, level integer not null, priority integer not null, prefix text not null, count integer not null,
    primary key (owner, level, priority, prefix)) without rowid`,
  ...firstLevels.map(
    (level) => `insert into queue_block select owner, ${level}, priority, substr(id, 1, ${level}) as prefix, count(*)
      from job where state = 'queued' group by owner, priority, prefix`,
  ),
  ...queueBlockTriggers(firstLevels),

  `create table storage_user (name text primary key, input_bytes integer not null, kept_bytes integer not null)`,
  `create table user_blob (
    owner text not null, blob text not null, jobs integer not null, size_bytes integer not null,
    primary key (owner, blob)) without rowid`,
  `insert into user_blob select owner, blob, count(*), max(size_bytes) from job_input group by owner, blob`,
  `insert into storage_user select name, 0, 0 from queue_user`,
  `update storage_user set
    input_bytes = (select coalesce(sum(size_bytes), 0) from user_blob where owner = name),
    kept_bytes = (select coalesce(sum(kept_bytes), 0) from job where owner = name and kept_bytes > 0)`,
  `create trigger user_blob_more after insert on job_input begin
    insert into user_blob (owner, blob, jobs, size_bytes) values (new.owner, new.blob, 1, new.size_bytes)
      on conflict do update set jobs = jobs + 1, size_bytes = max(size_bytes, excluded.size_bytes);
  end`,
  `create trigger user_blob_less after delete on job_input begin
    update user_blob set jobs = jobs - 1 where owner = old.owner and blob = old.blob;
    delete from user_blob where owner = old.owner and blob = old.blob and jobs = 0;
  end`,
  `create trigger storage_user_blob after insert on user_blob begin
    ${keeps('new.owner', 'input_bytes', 'new.size_bytes')} end`,
  `create trigger storage_user_blob_size after update of size_bytes on user_blob when new.size_bytes != old.size_bytes begin
    ${keeps('new.owner', 'input_bytes', 'new.size_bytes - old.size_bytes')} end`,
  `create trigger storage_user_blob_gone after delete on user_blob begin
    ${keeps('old.owner', 'input_bytes', '-old.size_bytes')} end`,
  `create trigger storage_user_job after insert on job when new.kept_bytes != 0 begin
    ${keeps('new.owner', 'kept_bytes', 'new.kept_bytes')} end`,
  `create trigger storage_user_kept after update of kept_bytes on job when new.kept_bytes != old.kept_bytes begin
    ${keeps('new.owner', 'kept_bytes', 'new.kept_bytes - old.kept_bytes')} end`,
  `create trigger storage_user_job_gone after delete on job when old.kept_bytes != 0 begin
    ${keeps('old.owner', 'kept_bytes', '-old.kept_bytes')} end`,
];

export const costMigration: Migration = {
  async up(db: Kysely<CostTables>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
