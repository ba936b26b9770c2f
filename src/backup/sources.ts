import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { gone } from '../files/durable.ts';
import { type DatabaseFacts, type DatabaseTools, names } from './context.ts';
import { type BackedFile, listBackups, readManifest } from './manifest.ts';
import type { Objects } from './objects.ts';

/** A file of the data folder that is not as it should be. */
export interface Loss {
  /** In the data folder. */
  readonly path: string;
  readonly fault: 'missing' | 'damaged';
  /** Whether the backup has it nevertheless, from an earlier one. */
  readonly isBacked: boolean;
}

/** What a backup is made of, and where it goes. */
export interface Source {
  readonly dir: string;
  readonly dataDir: string;
  readonly configFile: string | undefined;
  readonly database: DatabaseTools;
  takeDatabase(): Promise<string>;
}

/** The files of one kind that a backup has, and those that the server has lost. */
export interface Taken {
  readonly files: readonly BackedFile[];
  readonly losses: readonly Loss[];
}

/** A job that is deleted while its blobs are collected makes a newer copy of the database necessary; so often at most. */
const mostCopies = 3;
const blobPattern = /^[0-9a-f]{64}$/;
const logPattern = /^([\w-]+)-(\d+)\.frames$/;

/**
 * Refuses a data folder without something that a server makes at its start and never removes: it is not mounted, or somebody
 * has moved it away, and a backup without it would take the place of those that have it. Error: `conflict`.
 */
export async function requireParts(dataDir: string): Promise<void> {
  for (const name of [names.blobs, names.logs, names.token]) {
    if ((await stat(join(dataDir, name)).catch(gone)) !== undefined) continue;
    throw new TidepoolError(
      'conflict',
      `no backup is made: ${dataDir} has no ${name}, which a server always makes; the backups that are there stay. ` +
        'Bring it back, or start the server once, which makes it anew',
    );
  }
}

/** Adds all blobs that are there, so that few can go between the copy of the database and theirs. */
export async function addBlobs(objects: Objects, dataDir: string): Promise<void> {
  const root = join(dataDir, names.blobs);
  for (const shard of await readdir(root)) {
    if (!/^[0-9a-f]{2}$/.test(shard)) continue;
    for (const id of await readdir(join(root, shard)))
      if (blobPattern.test(id)) await objects.addKnown(id, join(root, shard, id));
  }
}

/** Adds the database with every blob that it refers to. */
export async function takeConsistent(
  objects: Objects,
  source: Source,
): Promise<Taken & { readonly facts: DatabaseFacts; readonly main: BackedFile }> {
  for (let copies = 1; ; copies += 1) {
    const path = await source.takeDatabase();
    try {
      const facts = source.database.inspect(path);
      const files: BackedFile[] = [];
      const losses: Loss[] = [];
      for (const sha256 of facts.blobs) {
        const inFolder = `${names.blobs}/${sha256.slice(0, 2)}/${sha256}`;
        const { sizeBytes, fault } = await objects.addKnown(sha256, join(source.dataDir, inFolder));
        if (sizeBytes !== undefined) files.push({ path: inFolder, sizeBytes, sha256 });
        if (fault !== undefined) losses.push({ path: inFolder, fault, isBacked: sizeBytes !== undefined });
      }
      if (losses.some(({ fault }) => fault === 'missing') && copies < mostCopies) continue;
      return { facts, main: { path: names.database, ...(await objects.add(path)) }, files, losses };
    } finally {
      await rm(path, { force: true });
    }
  }
}

/** The logs of a data folder by their names, and those of the newest backup. */
export interface LogList {
  readonly sizes: ReadonlyMap<string, number>;
  readonly backed: ReadonlyMap<string, BackedFile>;
}

/** Lists the logs. This comes before the copy of the database: a job in that copy had its logs at this moment. */
export async function listLogs({ dataDir }: Source, newest: readonly BackedFile[]): Promise<LogList> {
  const root = join(dataDir, names.logs);
  const sizes = new Map<string, number>();
  for (const name of await readdir(root)) {
    const facts = logPattern.test(name) ? await stat(join(root, name)).catch(gone) : undefined;
    if (facts !== undefined) sizes.set(name, facts.size);
  }
  const prefix = `${names.logs}/`;
  const logs = newest.filter(({ path }) => path.startsWith(prefix));
  return { sizes, backed: new Map(logs.map((file) => [file.path.slice(prefix.length), file])) };
}

/**
 * Adds the logs. One of the same size and time as in the newest backup is not read again. Logs only grow, and go with their
 * jobs: one that is shorter than in the newest backup is damaged, and for one that is not there while its job is, the backup
 * takes over that of the newest backup.
 */
export async function addLogs(
  objects: Objects,
  { dataDir, database }: Source,
  list: LogList,
  copy: string,
): Promise<Taken> {
  const lost = await lostLogs(objects, list, (ids) => database.attempts(copy, ids));
  const files = [...lost.files];
  const root = join(dataDir, names.logs);
  for (const name of await readdir(root)) {
    const facts = logPattern.test(name) ? await stat(join(root, name)).catch(gone) : undefined;
    // Its job has been deleted at this moment.
    if (facts === undefined) continue;
    const before = list.backed.get(name);
    const isSame = before?.sizeBytes === facts.size && before.changedAtMs === facts.mtimeMs;
    if (isSame && (await objects.size(before.sha256)) === facts.size) files.push(before);
    else {
      const content = await objects.add(join(root, name), facts.size).catch(gone);
      if (content !== undefined) files.push({ path: `${names.logs}/${name}`, ...content, changedAtMs: facts.mtimeMs });
    }
  }
  return { files, losses: lost.losses };
}

async function lostLogs(
  objects: Objects,
  { sizes, backed }: LogList,
  attempts: (ids: readonly string[]) => ReadonlyMap<string, number>,
): Promise<Taken> {
  const shorter = [...backed].filter(([name, { sizeBytes }]) => (sizes.get(name) ?? 0) < sizeBytes);
  const made = attempts(shorter.map(([name]) => logOf(name).job));
  const files: BackedFile[] = [];
  const losses: Loss[] = [];
  for (const [name, before] of shorter) {
    const { job, attempt } = logOf(name);
    // A server that was restored from an earlier backup has not made this attempt yet.
    if ((made.get(job) ?? 0) < attempt) continue;
    const isMissing = !sizes.has(name);
    const isBacked = isMissing && (await objects.size(before.sha256)) === before.sizeBytes;
    if (isBacked) files.push(before);
    losses.push({ path: before.path, fault: isMissing ? 'missing' : 'damaged', isBacked });
  }
  return { files, losses };
}

/** The job and attempt of a log's name, `<job>-<attempt>.frames`. */
export function logOf(name: string): { job: string; attempt: number } {
  const [, job = '', attempt = ''] = logPattern.exec(name) ?? [];
  return { job, attempt: Number(attempt) };
}

/** Files of the newest backup; none when its manifest is damaged, which only costs that everything is read. */
export async function newestFiles(dir: string): Promise<readonly BackedFile[]> {
  const newest = (await listBackups(dir)).at(-1);
  if (newest === undefined) return [];
  return readManifest(dir, newest).then(
    ({ files }) => files,
    (error: unknown) => {
      if (!hasCode(error, 'conflict')) throw error;
      return [];
    },
  );
}

/** Adds the token, and the configuration if one is named. */
export async function addSmallFiles(objects: Objects, { dataDir, configFile }: Source): Promise<BackedFile[]> {
  return [
    { path: names.token, ...(await objects.add(join(dataDir, names.token))) },
    ...(configFile === undefined ? [] : [{ path: names.config, ...(await objects.add(configFile)) }]),
  ];
}
