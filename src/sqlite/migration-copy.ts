import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { TidepoolError } from '../domain/errors.ts';
import { folderDisk } from '../files/disk.ts';
import { absent, syncPath, writeFileDurably } from '../files/durable.ts';

/** Copies of earlier upgrades that stay beside the database, the newest ones. */
const keptCopies = 3;
const draftSuffix = '.part';
/** Room beside what the copy and the change take. */
const spareBytes = 16 * 1024 * 1024;

/**
 * Copies the database to `<path>.before-<migration>` and returns that path. The copy has its name only when it is whole
 * and on the disk. Errors: `exhausted` when the disk has no room for the copy and for the change itself.
 */
async function copyBefore<T>(db: Kysely<T>, path: string, migration: string): Promise<string> {
  const copy = copyOf(path, migration);
  const draft = copy + draftSuffix;
  await rm(draft, { force: true });
  await requireRoom(db, path);
  await makeFile(draft);
  await sql`vacuum into ${draft}`.execute(db);
  await syncPath(draft);
  await rename(draft, copy);
  await syncPath(dirname(path));
  return copy;
}

/**
 * Copies the database before an upgrade, once for all starts that the upgrade takes: what an interrupted one has left is
 * half-upgraded, and no version could use a copy of it. Returns the path of the copy; undefined when it is there already.
 * Errors: those of `copyBefore`.
 * @param pending the first migration that is not applied
 */
export async function copyOnce<T>(
  db: Kysely<T>,
  path: string,
  applied: readonly string[],
  pending: string,
): Promise<string | undefined> {
  const begun = await readFile(noteOf(path), 'utf8').catch(absent);
  // After the copy was put back nothing of that upgrade is applied.
  if (begun !== undefined && applied.includes(begun)) {
    const copy = await stat(copyOf(path, begun)).catch(absent);
    if (copy?.isFile() === true) return undefined;
  }
  const copy = await copyBefore(db, path, pending);
  await writeFileDurably(noteOf(path), pending);
  return copy;
}

/** Notes that an upgrade has ended, and removes all but the newest copies. */
export async function endUpgrade(path: string): Promise<void> {
  await rm(noteOf(path), { force: true });
  const folder = dirname(path);
  const copies: { name: string; atMs: number }[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(path)}.before-`)) continue;
    const facts = await stat(join(folder, name)).catch(absent);
    if (facts?.isFile() !== true) continue;
    // A copy that was cut off is none, and takes the place of none.
    if (name.endsWith(draftSuffix)) await rm(join(folder, name), { force: true });
    else copies.push({ name, atMs: facts.mtimeMs });
  }
  copies.sort((a, b) => b.atMs - a.atMs || (a.name < b.name ? 1 : -1));
  for (const { name } of copies.slice(keptCopies)) await rm(join(folder, name), { force: true });
}

/** Holds the first migration of an upgrade that has not ended. */
function noteOf(path: string): string {
  return `${path}.upgrading`;
}

function copyOf(path: string, migration: string): string {
  return `${path}.before-${migration}`;
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
