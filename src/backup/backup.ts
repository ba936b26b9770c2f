import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReserveRule } from '../domain/disk.ts';
import { toTidepoolError } from '../domain/errors.ts';
import { folderDisk } from '../files/disk.ts';
import { fullDisk } from '../files/disk-full.ts';
import { makeFolder } from '../files/durable.ts';
import { type DatabaseFacts, type DatabaseTools, names } from './context.ts';
import { type BackedFile, listBackups, type Manifest, manifestPath, readManifest, writeManifest } from './manifest.ts';
import { Objects } from './objects.ts';
import { isFull, onDisk, roomOf } from './room.ts';

/** Settings of a backup. */
export interface BackupOptions {
  /** Folder of all backups of this server. */
  readonly dir: string;
  readonly dataDir: string;
  /** The newest backups that stay; all when it is undefined. */
  readonly keep: number | undefined;
  /** A configuration file to keep as well. */
  readonly configFile: string | undefined;
  readonly version: string;
  readonly now: () => number;
  readonly database: DatabaseTools;
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
  readonly missingBlobs: readonly string[];
}

/** A job that is deleted while its blobs are collected makes a newer copy of the database necessary; so often at most. */
const mostCopies = 3;
const blobPattern = /^[0-9a-f]{64}$/;

/**
 * Backs a data folder up while its server runs. The manifest is written last, so a backup that was cut off is none, and
 * the next one takes over what it has added. Errors: `conflict` (another backup of this folder is under way), `exhausted`
 * (the disk of the backups has no more than its reserve, or no room for this one), those of the disk.
 */
export async function backUp(options: BackupOptions): Promise<BackupResult> {
  const { dir } = options;
  const words = `no backup is made: the disk of ${dir} is full; the backups that are there are whole. Make room, or keep fewer by --keep`;
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
  // Most blobs are there before the database is copied, so that few can go between its copy and theirs.
  await addBlobs(objects, options.dataDir);
  const { facts, files, missingBlobs } = await takeConsistent(objects, options);
  const others = [...(await addLogs(objects, options)), ...(await addSmallFiles(objects, options))];
  await objects.flush();
  const manifest: Manifest = {
    ...{ format: 1, id: await freshId(options), takenAtMs: options.now(), version: options.version },
    ...{ installationId: facts.installationId, migration: facts.migration, missingBlobs },
    files: [...files, ...others],
  };
  await writeManifest(dir, manifest);
  const removed = await removeOld(objects, options);
  const bytes = manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const { added } = objects;
  return { id: manifest.id, files: manifest.files.length, bytes, addedBytes: added.bytes, removed, missingBlobs };
}

/** A name that sorts by time, also when the clock was set back since the last one. */
async function freshId({ dir, now }: BackupOptions): Promise<string> {
  const newest = (await listBackups(dir)).at(-1);
  const id = new Date(now()).toISOString().replaceAll(':', '-');
  return newest === undefined || id > newest ? id : `${newest}-1`;
}

async function addBlobs(objects: Objects, dataDir: string): Promise<void> {
  const root = join(dataDir, names.blobs);
  for (const shard of await readdir(root).catch(() => [])) {
    if (!/^[0-9a-f]{2}$/.test(shard)) continue;
    for (const id of await readdir(join(root, shard)))
      if (blobPattern.test(id)) await objects.addKnown(id, join(root, shard, id));
  }
}

interface Consistent {
  readonly facts: DatabaseFacts;
  readonly files: readonly BackedFile[];
  readonly missingBlobs: readonly string[];
}

/** The database with every blob that it refers to. */
async function takeConsistent(objects: Objects, options: BackupOptions): Promise<Consistent> {
  for (let copies = 1; ; copies += 1) {
    const path = await options.takeDatabase();
    try {
      const facts = options.database.inspect(path);
      const files: BackedFile[] = [];
      const missingBlobs: string[] = [];
      for (const sha256 of facts.blobs) {
        const inFolder = `${names.blobs}/${sha256.slice(0, 2)}/${sha256}`;
        const sizeBytes = await objects.addKnown(sha256, join(options.dataDir, inFolder));
        if (sizeBytes === undefined) missingBlobs.push(sha256);
        else files.push({ path: inFolder, sizeBytes, sha256 });
      }
      if (missingBlobs.length > 0 && copies < mostCopies) continue;
      return { facts, files: [{ path: names.database, ...(await objects.add(path)) }, ...files], missingBlobs };
    } finally {
      await rm(path, { force: true });
    }
  }
}

/** Logs only grow: one of the same size and time as in the newest backup is not read again. */
async function addLogs(objects: Objects, { dir, dataDir }: BackupOptions): Promise<BackedFile[]> {
  const known = await newestFiles(dir);
  const files: BackedFile[] = [];
  const root = join(dataDir, names.logs);
  for (const name of await readdir(root).catch(() => [])) {
    if (!/^[\w-]+\.frames$/.test(name)) continue;
    const path = `${names.logs}/${name}`;
    const facts = await stat(join(root, name)).catch(() => undefined);
    // Its job has been deleted at this moment.
    if (facts === undefined) continue;
    const before = known.get(path);
    const isSame = before?.sizeBytes === facts.size && before.changedAtMs === facts.mtimeMs;
    if (isSame && (await objects.size(before.sha256)) === facts.size) files.push(before);
    else {
      const content = await objects.add(join(root, name), facts.size).catch(ignoreGone);
      if (content !== undefined) files.push({ path, ...content, changedAtMs: facts.mtimeMs });
    }
  }
  return files;
}

async function newestFiles(dir: string): Promise<Map<string, BackedFile>> {
  const newest = (await listBackups(dir)).at(-1);
  const files =
    newest === undefined
      ? []
      : await readManifest(dir, newest).then(
          (one) => one.files,
          () => [],
        );
  return new Map(files.map((file) => [file.path, file]));
}

async function addSmallFiles(objects: Objects, { dataDir, configFile }: BackupOptions): Promise<BackedFile[]> {
  const token = await objects.add(join(dataDir, names.token)).catch(ignoreGone);
  return [
    ...(token === undefined ? [] : [{ path: names.token, ...token }]),
    ...(configFile === undefined ? [] : [{ path: names.config, ...(await objects.add(configFile)) }]),
  ];
}

function ignoreGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** Removes older backups, and what no backup refers to. A damaged manifest stays, and then every object does. */
async function removeOld(objects: Objects, { dir, keep, log }: BackupOptions): Promise<string[]> {
  const all = await listBackups(dir);
  const removed = keep === undefined ? [] : all.slice(0, Math.max(0, all.length - keep));
  for (const id of removed) await rm(manifestPath(dir, id));
  const kept = new Set<string>();
  for (const id of all.slice(removed.length)) {
    const manifest = await readManifest(dir, id).catch((error: Error) => {
      log(`nothing is cleaned up: ${error.message}`);
      return undefined;
    });
    if (manifest === undefined) return removed;
    for (const { sha256 } of manifest.files) kept.add(sha256);
  }
  await objects.removeOthers(kept);
  return removed;
}
