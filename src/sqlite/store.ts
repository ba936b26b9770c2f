import { open } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { defaultKeyValueLimits, type KeyValueLimits } from '../domain/service.ts';
import type { Store } from '../domain/store.ts';
import { defaultHalfLifeMs } from '../domain/usage.ts';
import { narrow } from '../files/private.ts';
import { sqlAccountStore } from './accounts.ts';
import { compact } from './compact.ts';
import { copyOpen } from './copy.ts';
import { sqliteDialect } from './dialect.ts';
import { sqlEventStore } from './events.ts';
import { openError } from './faults.ts';
import { GroupCommit } from './group-commit.ts';
import { sqlJobStore } from './jobs.ts';
import { sqlKeyValueStore } from './key-values.ts';
import { appliedMigrations, migrate } from './migrate.ts';
import { databaseBytes } from './migration-copy.ts';
import { sqlOnceStore } from './once.ts';
import { Pace } from './pace.ts';
import { sqlPoolStore } from './pools.ts';
import { refuseStranger } from './recognize.ts';
import { migrations, type Tables } from './schema.ts';
import { sqlServiceStore } from './services.ts';
import { sqlStorageStore } from './storage.ts';
import { sqlVmStore } from './vms.ts';
import { sqlWorkerTrustStore } from './worker-trust.ts';

/**
 * Opens (and makes or migrates) the database file, which only its owner can read. Errors: `conflict` when another server has it
 * open, a newer Tidepool or another program wrote it, it is damaged, or only its log is there; `exhausted` when its disk is full.
 * @param path file, or `:memory:`
 * @param keyValueLimits of each service
 * @param usageHalfLifeMs after which what a user is charged for counts half
 * @param log receives a line for each step of an upgrade
 */
export async function openSqliteStore(
  path: string,
  keyValueLimits: KeyValueLimits = defaultKeyValueLimits,
  usageHalfLifeMs: number = defaultHalfLifeMs,
  log: (message: string) => void = () => undefined,
): Promise<Store> {
  if (path !== ':memory:') {
    refuseStranger(path);
    await makePrivate(path);
  }
  let database: DatabaseSync | undefined;
  const onOpen = (opened: DatabaseSync): void => {
    database = opened;
  };
  const pace = path === ':memory:' ? undefined : new Pace();
  const db = new Kysely<Tables>({ dialect: sqliteDialect(path, onOpen, pace) });
  try {
    await migrate(db, { path, migrations, log });
  } catch (error) {
    await db.destroy();
    throw openError(path, error);
  }
  const group = new GroupCommit(db, pace);
  return {
    jobs: sqlJobStore(db, group, usageHalfLifeMs),
    vms: sqlVmStore(db, group),
    trust: sqlWorkerTrustStore(db, group),
    events: sqlEventStore(db, group),
    pools: sqlPoolStore(db, group),
    services: sqlServiceStore(db),
    keyValues: sqlKeyValueStore(db, group, keyValueLimits),
    accounts: sqlAccountStore(db),
    storage: sqlStorageStore(db, group),
    once: sqlOnceStore(db, group),
    setting: (name, makeDefault) => setting(db, name, makeDefault),
    compact: () => compact(db),
    facts: async () => ({ sizeBytes: await databaseBytes(db), migrations: await appliedMigrations(db) }),
    async copyTo(path) {
      if (database !== undefined) await copyOpen(database, path);
    },
    async close() {
      await group.settled();
      await db.destroy();
    },
  };
}

async function setting(db: Kysely<Tables>, name: string, makeDefault: () => string): Promise<string> {
  const insert = db.insertInto('setting').values({ name, value: makeDefault() });
  await insert.onConflict((conflict) => conflict.column('name').doNothing()).execute();
  const row = await db.selectFrom('setting').select('value').where('name', '=', name).executeTakeFirstOrThrow();
  return row.value;
}

/** It holds the agents' keys. SQLite gives its logs the mode that the database has when they are made. */
async function makePrivate(path: string): Promise<void> {
  // Opened only where it is new: closing it would drop the lock that a store of this process may have on it.
  await open(path, 'wx', 0o600).then(
    (made) => made.close(),
    (error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw openError(path, error);
    },
  );
  for (const suffix of ['', '-wal', '-shm', '-journal']) await narrow(path + suffix);
}
