import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { TidepoolError } from '../domain/errors.ts';
import type { DatabaseKind } from '../domain/store.ts';
import { viewCopy, viewFile } from './copy.ts';
import { openError } from './faults.ts';
import { migrations } from './schema.ts';

/**
 * Says what lies in the place of a database, before it is opened: opening changes files. SQLite deletes a log beside a file that is
 * missing or empty, and ignores a log that is damaged, so that what a log still holds would be gone. Writes nothing.
 * Errors: those of `openError`.
 */
export function databaseKind(path: string): DatabaseKind {
  try {
    return look(path);
  } catch (error) {
    throw openError(path, error);
  }
}

function look(path: string): DatabaseKind {
  if (sizeOf(path) === 0) return sizeOf(`${path}-wal`) > 0 ? 'log-only' : 'none';
  const hasLogs = ['-wal', '-journal'].some((suffix) => sizeOf(path + suffix) > 0);
  if (!hasLogs) return viewFile(path, kindOf);
  // A server that was killed may have all of its database in the log, but an old database need not be copied to know it.
  const kind = quietly(() => viewFile(path, kindOf));
  return kind === 'ours' ? kind : viewCopy(path, kindOf);
}

/** Refuses what must not be opened as a database of ours. Writes nothing. Error: `conflict`. */
export function refuseStranger(path: string): void {
  const kind = databaseKind(path);
  if (kind === 'foreign')
    throw new TidepoolError(
      'conflict',
      `${path} is a database of another program: it has tables, and none is Tidepool's; move it away, or take another --data-dir`,
    );
  if (kind === 'log-only')
    throw new TidepoolError(
      'conflict',
      `the database ${path} is missing or empty, and its log ${path}-wal is there and would be deleted; put the database back ` +
        'beside it, or restore a backup into a new folder (docs/backup.md), or move the log away',
    );
}

function kindOf(database: DatabaseSync): Exclude<DatabaseKind, 'none' | 'log-only'> {
  const tables = database.prepare('select name from sqlite_master').all();
  if (tables.length === 0) return 'unused';
  const has = (table: string): boolean => tables.some(({ name }) => name === table);
  const [first = ''] = Object.keys(migrations).sort();
  if (!has('kysely_migration') || !has('setting')) return 'foreign';
  if (database.prepare('select 1 from kysely_migration where name = ?').get(first) === undefined) return 'foreign';
  const id = database.prepare(`select 1 from setting where name = 'installation-id'`).get();
  return id === undefined ? 'unused' : 'ours';
}

/** A file that is damaged without its log may be whole with it. */
function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
