import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { TidepoolError } from '../domain/errors.ts';
import { fileTrouble } from '../domain/file-trouble.ts';
import { makeFolder, writeFileDurably } from '../files/durable.ts';

/** One file of a backup; its content is the object of this hash. */
export interface BackedFile {
  /** In the data folder, e.g. `blobs/ab/abc...`; forward slashes, never upwards. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
  /** Of the file when it was read; a log that has neither grown nor changed since is not read again. */
  readonly changedAtMs?: number;
}

/** One backup: what it was made of, and its files. */
export interface Manifest {
  readonly format: 1;
  /** Its name, which sorts by time. */
  readonly id: string;
  readonly takenAtMs: number;
  readonly version: string;
  readonly installationId: string;
  /** The newest migration of the database. */
  readonly migration: string;
  /** Blobs that the database refers to, and of which neither the server nor an earlier backup had a whole one. */
  readonly missingBlobs: readonly string[];
  readonly files: readonly BackedFile[];
}

const folderName = 'backups';
const suffix = '.jsonl';

/** Ids of the backups of a folder, oldest first. Error: `invalid` for what is no folder, or not to be read. */
export async function listBackups(dir: string): Promise<string[]> {
  const names = await readdir(join(dir, folderName)).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    // A disk that fails says nothing of what was asked for.
    if (!['ENOTDIR', 'EACCES', 'EPERM'].includes(cause.code ?? '')) throw cause;
    throw new TidepoolError('invalid', `the folder of backups ${dir} cannot be read: ${fileTrouble(cause)}`, { cause });
  });
  return names
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length))
    .sort();
}

/** Path of a backup's manifest. */
export function manifestPath(dir: string, id: string): string {
  return join(dir, folderName, id + suffix);
}

/** Writes the manifest, which makes a backup of the objects: everything else of it is on the disk already. */
export async function writeManifest(dir: string, { files, ...header }: Manifest): Promise<void> {
  const lines = [header, ...files].map((line) => `${JSON.stringify(line)}\n`);
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line);
  lines.push(`${JSON.stringify({ end: true, files: files.length, sha256: hash.digest('hex') })}\n`);
  await makeFolder(join(dir, folderName));
  await writeFileDurably(manifestPath(dir, header.id), lines.join(''));
}

/** Reads a manifest and checks that it is whole. Errors: `not_found`, `conflict` (damaged). */
export async function readManifest(dir: string, id: string): Promise<Manifest> {
  if (!(await listBackups(dir)).includes(id))
    throw new TidepoolError('not_found', `there is no backup ${id} in ${dir}`);
  const damaged = (cause?: unknown): TidepoolError =>
    new TidepoolError('conflict', `the manifest ${manifestPath(dir, id)} is damaged`, { cause });
  const lines: unknown[] = [];
  const hash = createHash('sha256');
  let last = '';
  try {
    for await (const line of createInterface({ input: createReadStream(manifestPath(dir, id)) })) {
      if (lines.length > 0) hash.update(`${last}\n`);
      lines.push(JSON.parse(line));
      last = line;
    }
  } catch (cause) {
    throw damaged(cause);
  }
  const [header, ...files] = lines as [Omit<Manifest, 'files'>, ...BackedFile[]];
  const end = files.pop() as unknown as { end?: boolean; files?: number; sha256?: string } | undefined;
  if (header?.format !== 1 || end?.end !== true || end.files !== files.length || end.sha256 !== hash.digest('hex'))
    throw damaged();
  if (files.some(({ path }) => !isSafePath(path))) throw damaged();
  return { ...header, files };
}

/** Whether a path of a manifest stays inside the folder that it is restored to. */
function isSafePath(path: unknown): boolean {
  return typeof path === 'string' && /^[\w.-]+(\/[\w.-]+)*$/.test(path) && !path.split('/').includes('..');
}
