import { chmod, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { makeFolder, syncPath } from '../files/durable.ts';
import { type DatabaseTools, names } from './context.ts';
import { listBackups, readManifest } from './manifest.ts';
import { copyFlushed, Objects } from './objects.ts';
import { onDisk } from './room.ts';

/** Settings of a restore. */
export interface RestoreOptions {
  readonly dir: string;
  /** Which one; the newest when it is undefined. */
  readonly id: string | undefined;
  /** A folder that is not there yet, or is empty. */
  readonly dataDir: string;
  /** Makes the restored server another installation, which leaves the VMs of the original one alone. */
  readonly newInstallationId: string | undefined;
  readonly database: DatabaseTools;
}

/** The outcome of a restore. */
export interface RestoreResult {
  readonly id: string;
  readonly takenAtMs: number;
  readonly files: number;
  readonly bytes: number;
  readonly missingBlobs: readonly string[];
}

/**
 * Makes a new data folder of a backup. Every file is compared with its checksum on the way, in a folder beside the target
 * that gets its name at the end: a restore that was cut off or has found damage leaves nothing that a server could use.
 * Errors: `not_found` (no such backup), `conflict` (the target is not empty, the backup is damaged), `exhausted` (the disk
 * of the target has no room for it).
 */
export function restore(options: RestoreOptions): Promise<RestoreResult> {
  const words = `nothing is restored: the disk of ${options.dataDir} is full; make room, or restore to another disk`;
  return onDisk(words, () => restoreWhole(options));
}

async function restoreWhole(options: RestoreOptions): Promise<RestoreResult> {
  const { dir, dataDir } = options;
  const id = options.id ?? (await listBackups(dir)).at(-1);
  if (id === undefined) throw new TidepoolError('not_found', `there is no whole backup in ${dir}`);
  await requireEmpty(dataDir);
  const manifest = await readManifest(dir, id);
  const unlock = lockUnlessReadOnly(options);
  const draft = `${dataDir}.restoring`;
  try {
    await rm(draft, { recursive: true, force: true });
    await makeFolder(draft);
    const bytes = await copyAll(dir, draft, manifest.files);
    makeDatabase(draft, options);
    await chmod(join(draft, names.database), 0o600);
    await syncPath(join(draft, names.database));
    await rm(join(draft, rawDatabase));
    await flushFolders(draft, manifest.files);
    await requireEmpty(dataDir);
    await rename(draft, dataDir);
    await syncPath(dirname(dataDir));
    const { takenAtMs, files, missingBlobs } = manifest;
    return { id, takenAtMs, files: files.length, bytes, missingBlobs };
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  } finally {
    unlock();
  }
}

/** The database as it lies in the backup, until it is written anew, compact. */
const rawDatabase = 'tidepool.db.restored';

/** Nobody changes a backup on a medium that cannot be written to, or is full, so it needs no lock. */
function lockUnlessReadOnly({ dir, database }: RestoreOptions): () => void {
  try {
    return database.lock(dir);
  } catch (error) {
    if (hasCode(error, 'unavailable') || hasCode(error, 'exhausted')) return () => undefined;
    throw error;
  }
}

async function requireEmpty(dataDir: string): Promise<void> {
  const names = await readdir(dataDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (names.length > 0)
    throw new TidepoolError('conflict', `${dataDir} is not empty; restore into a folder that is not there yet`);
}

async function copyAll(
  dir: string,
  draft: string,
  files: readonly { path: string; sha256: string; sizeBytes: number }[],
): Promise<number> {
  const objects = new Objects(dir);
  let bytes = 0;
  for (const { path, sha256, sizeBytes } of files) {
    const target = join(draft, path === names.database ? rawDatabase : path);
    await makeFolder(dirname(target));
    const content = await copyFlushed(objects.path(sha256), target).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOENT') throw cause;
      throw new TidepoolError('conflict', `the backup is damaged: ${path} is missing; try an earlier one`, { cause });
    });
    if (content.sha256 !== sha256 || content.sizeBytes !== sizeBytes)
      throw new TidepoolError(
        'conflict',
        `the backup is damaged: the content of ${path} has changed; try an earlier one`,
      );
    bytes += sizeBytes;
  }
  return bytes;
}

function makeDatabase(draft: string, { database, newInstallationId }: RestoreOptions): void {
  const raw = join(draft, rawDatabase);
  const [problem] = database.inspect(raw).problems;
  if (problem !== undefined) throw new TidepoolError('conflict', `the backup is damaged: its database: ${problem}`);
  database.rewrite(raw, join(draft, names.database), newInstallationId);
}

async function flushFolders(draft: string, files: readonly { path: string }[]): Promise<void> {
  const folders = new Set(files.map(({ path }) => dirname(join(draft, path))));
  for (const folder of [...folders, draft]) await syncPath(folder);
}
