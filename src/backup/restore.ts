import { chmod, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import { makeFolder, syncTree } from '../files/durable.ts';
import { copyFlushed, unreadable } from './content.ts';
import { type DatabaseTools, names } from './context.ts';
import { openDraft } from './draft.ts';
import { lockUnlessReadOnly } from './lock.ts';
import { type BackedFile, listBackups, type Manifest, readManifest } from './manifest.ts';
import { Objects } from './objects.ts';
import { onDisk } from './room.ts';
import { logOf } from './sources.ts';

/** Settings of a restore. */
export interface RestoreOptions {
  readonly dir: string;
  /** Which one; the newest when it is undefined. */
  readonly id: string | undefined;
  /** A folder that is not there yet, or is empty, or in which a restore was cut off. */
  readonly dataDir: string;
  /** Makes the restored server another installation, which leaves the VMs of the original one alone. */
  readonly newInstallationId: string | undefined;
  /** Restores a backup that lacks files, or whose files are damaged, without these. */
  readonly allowMissing?: boolean;
  readonly database: DatabaseTools;
}

/** A file that a restore goes without. */
export interface MissingFile {
  /** In the data folder. */
  readonly path: string;
  readonly why: string;
  /** Jobs and services that have lost it, in words: `job <id>`. */
  readonly users: readonly string[];
}

/** The outcome of a restore. */
export interface RestoreResult {
  readonly id: string;
  readonly takenAtMs: number;
  readonly files: number;
  readonly bytes: number;
  readonly missing: readonly MissingFile[];
}

/**
 * Makes a new data folder of a backup. Every file is compared with its checksum on the way, in a draft inside the data folder,
 * and moves to its place when all are on the disk: after a restore that was cut off no server starts there, and one that has found
 * damage leaves nothing.
 * Errors: `not_found` (no such backup), `conflict` (the target is not empty, the backup is damaged), `exhausted` (the disk
 * of the target has no room for it).
 */
export function restore(options: RestoreOptions): Promise<RestoreResult> {
  const words = `nothing is restored: the disk of ${options.dataDir} is full; make room, or restore to another disk`;
  return onDisk(words, () => restoreLocked(options));
}

async function restoreLocked(options: RestoreOptions): Promise<RestoreResult> {
  const { dir, dataDir, database } = options;
  const id = options.id ?? (await listBackups(dir)).at(-1);
  if (id === undefined) throw new TidepoolError('not_found', `there is no whole backup in ${dir}`);
  const manifest = await readManifest(dir, id);
  const unlock = lockUnlessReadOnly(dir, database);
  try {
    const draft = await openDraft(dataDir, database);
    try {
      const result = await fillDraft(draft.path, manifest, options);
      await draft.moveUp();
      return result;
    } catch (error) {
      await draft.remove();
      throw error;
    } finally {
      await draft.close();
    }
  } finally {
    unlock?.();
  }
}

async function fillDraft(draft: string, manifest: Manifest, options: RestoreOptions): Promise<RestoreResult> {
  // A server makes these at its start, and takes a folder without them for damaged.
  for (const name of [names.blobs, names.logs]) await makeFolder(join(draft, name));
  const faults = new Map(manifest.missingBlobs.map((blob) => [blobPath(blob), 'the server had lost it']));
  if (options.allowMissing !== true) for (const [path, why] of faults) refuse(path, why);
  const objects = new Objects(options.dir);
  const restored: BackedFile[] = [];
  for (const file of manifest.files) {
    const why = await copyOut(objects, draft, file);
    if (why === undefined) restored.push(file);
    else if (options.allowMissing === true && file.path !== names.database) faults.set(file.path, why);
    else refuse(file.path, why);
  }
  if (!restored.some(({ path }) => path === names.database)) refuse(names.database, 'is missing');
  const missing = withUsers(join(draft, rawDatabase), faults, options.database);
  makeDatabase(draft, options);
  await chmod(join(draft, names.database), 0o600);
  await rm(join(draft, rawDatabase));
  await syncTree(draft);
  const bytes = restored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { id: manifest.id, takenAtMs: manifest.takenAtMs, files: restored.length, bytes, missing };
}

/** The database as it lies in the backup, until it is written anew, compact. */
const rawDatabase = 'tidepool.db.restored';

function blobPath(sha256: string): string {
  return `${names.blobs}/${sha256.slice(0, 2)}/${sha256}`;
}

/** Nothing goes without its database. */
function refuse(path: string, why: string): never {
  const advice = path === names.database ? '' : ', or restore all the rest by --allow-missing';
  throw new TidepoolError('conflict', `the backup is damaged: ${path}: ${why}; try an earlier one${advice}`);
}

/** Copies a file out of the backup; returns what is wrong with it, if anything is, and then leaves none. */
async function copyOut(
  objects: Objects,
  draft: string,
  { path, sha256, sizeBytes }: BackedFile,
): Promise<string | undefined> {
  const target = join(draft, path === names.database ? rawDatabase : path);
  if ((await objects.size(sha256)) === undefined) return 'it is missing';
  await makeFolder(dirname(target));
  const content = await copyFlushed(objects.path(sha256), target).catch(unreadable);
  if (content?.sha256 === sha256 && content.sizeBytes === sizeBytes) return undefined;
  await rm(target);
  return content === undefined ? 'it cannot be read' : 'its content has changed';
}

function withUsers(raw: string, faults: ReadonlyMap<string, string>, database: DatabaseTools): MissingFile[] {
  const hashes = [...faults.keys()].filter((path) => path.startsWith(`${names.blobs}/`)).map(lastName);
  const users = new Map<string, string[]>();
  for (const { blob, user } of hashes.length === 0 ? [] : database.blobUsers(raw, hashes))
    users.set(blob, [...(users.get(blob) ?? []), user]);
  return [...faults].map(([path, why]) => {
    const { job } = logOf(lastName(path));
    return { path, why, users: job === '' ? (users.get(lastName(path)) ?? []) : [`job ${job}`] };
  });
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function makeDatabase(draft: string, { database, newInstallationId }: RestoreOptions): void {
  const raw = join(draft, rawDatabase);
  const [problem] = database.inspect(raw).problems;
  if (problem !== undefined) throw new TidepoolError('conflict', `the backup is damaged: its database: ${problem}`);
  database.rewrite(raw, join(draft, names.database), newInstallationId);
}
