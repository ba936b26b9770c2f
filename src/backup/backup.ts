import type { ReserveRule } from '../domain/disk.ts';
import { toTidepoolError } from '../domain/errors.ts';
import { folderDisk } from '../files/disk.ts';
import { fullDisk } from '../files/disk-full.ts';
import { makeFolder } from '../files/durable.ts';
import { names } from './context.ts';
import { listBackups, type Manifest, writeManifest } from './manifest.ts';
import { Objects } from './objects.ts';
import { removeOld } from './old.ts';
import { isFull, onDisk, roomOf } from './room.ts';
import {
  addBlobs,
  addLogs,
  addSmallFiles,
  type Loss,
  listLogs,
  newestFiles,
  requireParts,
  type Source,
  takeConsistent,
} from './sources.ts';

/** Settings of a backup. */
export interface BackupOptions extends Source {
  /** Folder of all backups of this server. */
  readonly dir: string;
  /** The newest backups that stay; all when it is undefined. */
  readonly keep: number | undefined;
  /** A configuration file to keep as well. */
  readonly configFile: string | undefined;
  readonly version: string;
  readonly now: () => number;
  /** Reserve that stays free on the disk of the backups. */
  readonly reserve: ReserveRule;
  /** Makes a consistent copy of the database and returns its path; the caller of this removes the file. */
  takeDatabase(): Promise<string>;
  log(message: string): void;
}

/** The outcome of a backup. */
export interface BackupResult {
  readonly id: string;
  readonly files: number;
  readonly bytes: number;
  /** Bytes that this backup has added to the folder. */
  readonly addedBytes: number;
  readonly removed: readonly string[];
  /** Blobs that the backup is without. */
  readonly missingBlobs: readonly string[];
  /** What the server has lost, whether the backup has it from an earlier one or not. */
  readonly losses: readonly Loss[];
  /** Problems that SQLite finds in the database. */
  readonly databaseProblems: readonly string[];
}

/**
 * Backs a data folder up while its server runs. The manifest is written last, so a backup that was cut off is none, and
 * the next one takes over what it has added. One that lacks something removes no older one: they may have it. Errors: `conflict`
 * (another backup of this folder is under way, or the data folder lacks a part that every server has), `exhausted`
 * (the disk of the backups has no more than its reserve, or no room for this one), those of the disk.
 */
export async function backUp(options: BackupOptions): Promise<BackupResult> {
  const { dir } = options;
  const words = `no backup is made: the disk of ${dir} is full; the backups that are there are whole. Make room, or keep fewer by --keep`;
  await requireParts(options.dataDir);
  return onDisk(words, async () => {
    await makeFolder(dir);
    const checkRoom = roomOf(dir, folderDisk(dir), options.reserve);
    await checkRoom(0);
    const unlock = lock(options, words);
    const objects = new Objects(dir, checkRoom);
    try {
      return await backUpLocked(objects, options);
    } catch (error) {
      if (isFull(error)) await giveRoomBack(objects, options);
      throw error;
    } finally {
      unlock();
    }
  });
}

/** Errors: `conflict`, `exhausted`: even the lock takes some bytes. */
function lock({ dir, database }: BackupOptions, words: string): () => void {
  try {
    return database.lock(dir);
  } catch (cause) {
    throw isFull(cause) ? fullDisk(words, cause) : cause;
  }
}

/** Files of a backup that did not end would take up room, and the next try needs as much anyway. */
async function giveRoomBack(objects: Objects, options: BackupOptions): Promise<void> {
  try {
    await objects.dropDrafts();
    await removeOld(objects, { ...options, keep: undefined });
  } catch (error) {
    options.log(`what the backup has added to ${options.dir} stays: ${toTidepoolError(error).message}`);
  }
}

async function backUpLocked(objects: Objects, options: BackupOptions): Promise<BackupResult> {
  const { dir } = options;
  await objects.prepare();
  const newest = await newestFiles(dir);
  objects.trust(newest);
  const logList = await listLogs(options, newest);
  // Most blobs are there before the database is copied, so that few can go between its copy and theirs.
  await addBlobs(objects, options.dataDir);
  const { facts, main, files, losses: lostBlobs } = await takeConsistent(objects, options);
  const logs = await addLogs(objects, options, logList, objects.path(main.sha256));
  const small = await addSmallFiles(objects, options);
  // Where the data folder has gone meanwhile, what was found in it says nothing.
  await requireParts(options.dataDir);
  await objects.flush();
  const losses = [...lostBlobs, ...logs.losses];
  const lacking = losses.filter(({ isBacked }) => !isBacked);
  const missingBlobs = lacking.filter(({ path }) => path.startsWith(`${names.blobs}/`)).map(({ path }) => hashOf(path));
  const manifest: Manifest = {
    ...{ format: 1, id: await freshId(options), takenAtMs: options.now(), version: options.version },
    ...{ installationId: facts.installationId, migration: facts.migration, missingBlobs },
    files: [main, ...files, ...logs.files, ...small],
  };
  await writeManifest(dir, manifest);
  const isWhole = lacking.length === 0 && facts.problems.length === 0;
  const removed = isWhole ? await removeOld(objects, options) : [];
  await objects.dropDrafts();
  const bytes = manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return {
    ...{ id: manifest.id, files: manifest.files.length, bytes, addedBytes: objects.added.bytes },
    ...{ removed, missingBlobs, losses, databaseProblems: facts.problems },
  };
}

/** The file of a blob has its hash for a name. */
function hashOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** A name that sorts by time, also when the clock was set back since the last one. */
async function freshId({ dir, now }: BackupOptions): Promise<string> {
  const newest = (await listBackups(dir)).at(-1);
  const id = new Date(now()).toISOString().replaceAll(':', '-');
  return newest === undefined || id > newest ? id : `${newest}-1`;
}
