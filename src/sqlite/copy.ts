import { closeSync, copyFileSync, existsSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { TidepoolError } from '../domain/errors.ts';
import { databaseFault, withFaults } from './faults.ts';
import { withDatabase } from './one-use.ts';
import { referredBlobs } from './references.ts';

/** Pages of one step of a copy, between which the database serves others: a megabyte. */
const stepPages = 256;

/**
 * Copies an open database to a new file, page by page beside its other work; what is written meanwhile is in the copy. The
 * copy is one file, with no log of its own.
 */
export async function copyOpen(database: DatabaseSync, path: string): Promise<void> {
  closeSync(openSync(path, 'wx', 0o600));
  await backup(database, path, { rate: stepPages }).catch((error: unknown) => {
    throw databaseFault(error);
  });
  withDatabase(path, {}, (copy) => copy.exec('pragma journal_mode = delete'));
}

/** Copies the database of a server that does not run. Error: `conflict` when it does run. */
export function copyClosed(from: string, to: string): void {
  closeSync(openSync(to, 'wx', 0o600));
  try {
    withDatabase(from, { timeout: 1_000 }, (database) => database.prepare('vacuum into ?').run(to));
  } catch (cause) {
    if (!(cause instanceof Error) || !/locked|busy/i.test(cause.message)) throw cause;
    throw new TidepoolError('conflict', `a server has ${from} open and is not found; name its --data-dir`, { cause });
  }
}

/** Facts about a database file that nobody has open; reads only. */
export function inspectDatabase(path: string) {
  return withDatabase(path, { readOnly: true }, (database) => {
    const check = database.prepare('pragma integrity_check(10)').all();
    const problems = check.map(({ integrity_check: text }) => String(text)).filter((text) => text !== 'ok');
    const [migration] = column(database, 'select max(name) as value from kysely_migration');
    const [installationId] = column(database, `select value from setting where name = 'installation-id'`);
    const blobs = referredBlobs(database);
    return { problems, migration: migration ?? '', installationId: installationId ?? '', blobs };
  });
}

function column(database: DatabaseSync, query: string): string[] {
  return database
    .prepare(query)
    .all()
    .flatMap(({ value }) => (value === null || value === undefined ? [] : [String(value)]));
}

/** What an upgrade finds in the database of a server that does not run. */
export interface DatabasePeek {
  readonly sizeBytes: number;
  readonly migrations: readonly string[];
  readonly vms: readonly { readonly name: string; readonly imageId: string }[];
}

/** Looks into the database of a server that does not run; changes nothing, not even its log. */
export function peekDatabase(path: string): DatabasePeek {
  const log = `${path}-wal`;
  if (!existsSync(log) || statSync(log).size === 0) return viewFile(path, peek(statSync(path).size));
  // What its log holds counts too, and SQLite reads a log only where it may write.
  return viewCopy(path, peek(statSync(path).size + statSync(log).size));
}

/** Reads a database file as it lies there, without its logs, and without a lock. */
export function viewFile<T>(path: string, use: (database: DatabaseSync) => T): T {
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  return withDatabase(url, { readOnly: true }, use);
}

/** Reads a copy of a database with its logs, for which SQLite must write. */
export function viewCopy<T>(path: string, use: (database: DatabaseSync) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'tidepool-peek-'));
  try {
    const copy = join(folder, 'copy.db');
    for (const suffix of ['', '-wal', '-journal'])
      if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
    return withDatabase(copy, {}, use);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function peek(sizeBytes: number): (database: DatabaseSync) => DatabasePeek {
  return (database) => ({
    sizeBytes,
    migrations: column(database, 'select name as value from kysely_migration order by name'),
    vms: database
      .prepare('select name, image_id from vm order by name')
      .all()
      .map(({ name, image_id }) => ({ name: String(name), imageId: String(image_id) })),
  });
}

/** Writes a compact copy that can give disk back; with this installation id, if one is given. */
export function rewriteDatabase(from: string, to: string, installationId?: string): void {
  withDatabase(from, {}, (database) => {
    database.exec('pragma auto_vacuum = incremental');
    database.prepare('vacuum into ?').run(to);
  });
  if (installationId === undefined) return;
  withDatabase(to, {}, (database) => {
    database.prepare(`update setting set value = ? where name = 'installation-id'`).run(installationId);
  });
}

/**
 * Keeps others out of a folder until the returned function is called. The lock is SQLite's on an empty database, which the
 * kernel drops when the process ends, however it ends. Error: `conflict` when another process has it.
 */
export function lockFolder(folder: string): () => void {
  const database = withFaults(() => new DatabaseSync(join(folder, 'lock')));
  try {
    database.exec('pragma locking_mode = exclusive; begin exclusive');
  } catch (cause) {
    database.close();
    if (!(cause instanceof Error) || !/locked|busy/i.test(cause.message)) throw databaseFault(cause);
    throw new TidepoolError('conflict', `another backup or restore works in ${folder}; wait for its end`, { cause });
  }
  return () => database.close();
}
