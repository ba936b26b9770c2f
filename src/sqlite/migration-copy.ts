import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { TidepoolError } from '../domain/errors.ts';
import { folderDisk } from '../files/disk.ts';

/** Copies of earlier upgrades that stay beside the database, the newest ones. */
const keptCopies = 3;
/** Room beside what the copy and the change take. */
const spareBytes = 16 * 1024 * 1024;

/**
 * Copies the database to `<path>.before-<migration>` and returns that path. The copy has its name only when it is whole
 * and on the disk. Errors: `exhausted` when the disk has no room for the copy and for the change itself.
 */
export async function copyBefore<T>(db: Kysely<T>, path: string, migration: string): Promise<string> {
  const copy = `${path}.before-${migration}`;
  const draft = `${copy}.part`;
  await rm(draft, { force: true });
  await requireRoom(db, path);
  await makeFile(draft);
  await sql`vacuum into ${draft}`.execute(db);
  await syncPath(draft);
  await rename(draft, copy);
  await syncPath(dirname(path));
  return copy;
}

/** Removes all but the newest copies. */
export async function dropOldCopies(path: string): Promise<void> {
  const folder = dirname(path);
  const names = (await readdir(folder)).filter((name) => name.startsWith(`${basename(path)}.before-`));
  const copies = await Promise.all(
    names.map(async (name) => ({ name, atMs: (await stat(join(folder, name))).mtimeMs })),
  );
  copies.sort((a, b) => b.atMs - a.atMs || (a.name < b.name ? 1 : -1));
  for (const { name } of copies.slice(keptCopies)) await rm(join(folder, name));
}

/** Bytes of disk that an upgrade needs: the copy, and as much again for what a migration writes anew. */
export function upgradeBytes(databaseBytes: number): number {
  return 2 * databaseBytes + spareBytes;
}

/** Bytes of the database's pages, those in its log included. */
export async function databaseBytes<T>(db: Kysely<T>): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`
    select page_count * page_size as bytes from pragma_page_count(), pragma_page_size()`.execute(db);
  return rows[0]?.bytes ?? 0;
}

async function requireRoom<T>(db: Kysely<T>, path: string): Promise<void> {
  const needed = upgradeBytes(await databaseBytes(db));
  const { freeBytes } = await folderDisk(dirname(path)).space();
  if (freeBytes >= needed) return;
  const mib = (bytes: number): number => Math.ceil(bytes / 1024 / 1024);
  throw new TidepoolError(
    'exhausted',
    `the database ${path} must be upgraded, which needs ${mib(needed)} MiB of disk for a copy and for the change; ` +
      `${mib(freeBytes)} MiB are free; make room, then start again`,
  );
}

/** It has secrets in it, so it is made readable for its owner only before it has anything in it. */
async function makeFile(path: string): Promise<void> {
  await (await open(path, 'wx', 0o600)).close();
}

async function syncPath(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
