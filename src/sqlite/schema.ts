import { type Generated, type Kysely, type Migration, sql } from 'kysely';
import type { EventName } from '../domain/event.ts';
import type { JobState } from '../domain/job.ts';
import type { VmState } from '../domain/vm.ts';
import { type AccountTables, accountMigration } from './account-schema.ts';
import { type CostTables, costMigration } from './cost-schema.ts';
import { type DiskColumns, diskMigration } from './disk-schema.ts';
import { type ExclusionTables, exclusionMigration } from './exclusion-schema.ts';
import { type KeyValueRelayTables, keyValueRelayMigration } from './key-value-relays.ts';
import { type PoolNoteTables, poolNoteMigration } from './pool-note-schema.ts';
import { type ProtocolColumns, protocolMigration } from './protocol-schema.ts';
import { queueBlockMigration } from './queue-block-schema.ts';
import { type QueueColumns, type QueueTables, queueMigration } from './queue-schema.ts';
import { type ServiceTables, serviceMigration } from './service-schema.ts';
import { type StandingColumns, standingMigration } from './standing-schema.ts';
import { type StorageColumns, type StorageTables, storageMigration } from './storage-schema.ts';
import { type WorkerTrustTables, workerTrustMigration } from './worker-trust-schema.ts';

/** Rows as they lie in the database. Times are milliseconds since 1970; `*_json` columns hold domain values. */
export interface Tables
  extends QueueTables,
    ServiceTables,
    AccountTables,
    StorageTables,
    PoolNoteTables,
    CostTables,
    KeyValueRelayTables,
    WorkerTrustTables,
    ExclusionTables {
  setting: { name: string; value: string };
  job: QueueColumns &
    DiskColumns &
    StorageColumns & {
      id: string;
      owner: string;
      state: JobState;
      spec_json: string;
      attempt: number;
      vm_name: string | null;
      cancel_requested: number;
      created_at_ms: number;
      started_at_ms: number | null;
      ended_at_ms: number | null;
      result_json: string | null;
    };
  attempt: {
    job_id: string;
    number: number;
    vm_name: string;
    assigned_at_ms: number;
    /** How it ended: a job state, or `requeued`; null while it lasts. */
    outcome: string | null;
  };
  job_file: { job_id: string; path: string; size_bytes: number; blob: string };
  event: {
    id: Generated<number>;
    at_ms: number;
    name: EventName;
    pool: string;
    vm: string | null;
    text: string;
    data_json: string;
  };
  pool: { name: string; desired: number; overrides_json: string };
  vm: {
    name: string;
    pool: string;
    state: VmState;
    reason: string;
    state_since_ms: number;
    created_at_ms: number;
    image_id: string;
    flavor: string;
    key_id: string;
    key: Uint8Array;
    host: string | null;
    port: number | null;
    capacity_json: string | null;
    runtimes_json: string;
    unwanted: Generated<number>;
  } & ProtocolColumns &
    StandingColumns;
}

/** Migrations run in the order of their names, once each. A published one is never edited. */
export const migrations: Record<string, Migration> = {
  '0001-jobs-and-vms': {
    async up(db: Kysely<Tables>): Promise<void> {
      for (const statement of firstSchema) await sql.raw(statement).execute(db);
    },
  },
  '0002-events': {
    async up(db: Kysely<Tables>): Promise<void> {
      const statement = `create table event (
        id integer primary key autoincrement, at_ms integer not null, name text not null, pool text not null,
        vm text, text text not null, data_json text not null)`;
      await sql.raw(statement).execute(db);
    },
  },
  '0003-pools': {
    async up(db: Kysely<Tables>): Promise<void> {
      const statements = [
        `create table pool (name text primary key, desired integer not null, overrides_json text not null)`,
        `alter table vm add column unwanted integer not null default 0`,
      ];
      for (const statement of statements) await sql.raw(statement).execute(db);
    },
  },
  '0004-services': serviceMigration,
  '0005-accounts': accountMigration,
  '0006-queue': queueMigration,
  '0007-storage': storageMigration,
  '0008-exclusions': exclusionMigration,
  '0009-disk': diskMigration,
  '0010-protocol': protocolMigration,
  '0011-pool-notes': poolNoteMigration,
  '0013-cost': costMigration,
  '0014-key-value-relays': keyValueRelayMigration,
  '0015-worker-trust': workerTrustMigration,
  '0016-standing': standingMigration,
  '0017-queue-block': queueBlockMigration,
};

const firstSchema = [
  `create table setting (name text primary key, value text not null)`,
  `create table job (
    id text primary key, owner text not null, state text not null, spec_json text not null,
    attempt integer not null, vm_name text, cancel_requested integer not null,
    created_at_ms integer not null, started_at_ms integer, ended_at_ms integer, result_json text)`,
  // The queue and the set of active jobs are read at every scheduling step and stay small; ended jobs do not.
  `create index job_open on job (state, id) where state in ('queued', 'starting', 'running')`,
  `create index job_by_owner on job (owner, id)`,
  `create table attempt (
    job_id text not null references job (id), number integer not null, vm_name text not null,
    assigned_at_ms integer not null, outcome text, primary key (job_id, number))`,
  `create table job_file (
    job_id text not null references job (id), path text not null, size_bytes integer not null, blob text not null,
    primary key (job_id, path))`,
  `create table vm (
    name text primary key, pool text not null, state text not null, reason text not null,
    state_since_ms integer not null, created_at_ms integer not null, image_id text not null, flavor text not null,
    key_id text not null, key blob not null, host text, port integer, capacity_json text, runtimes_json text not null)`,
];
