import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { TidepoolError } from '../domain/errors.ts';

/** A ZIP file on disk; `remove` deletes it if it was made here. */
export interface PackedFolder {
  readonly path: string;
  remove(): Promise<void>;
}

/** Folders of a project that are made from the rest, or are of no use to a job. */
const leftOutOfProjects = new Set(['.git', '__pycache__', '.venv', 'node_modules']);

/**
 * A ZIP as it is, or a folder packed into a temporary ZIP. Errors: `invalid`.
 * @param what it is, for messages
 */
export async function packFolder(path: string, what: 'dataset' | 'project'): Promise<PackedFolder> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined) throw new TidepoolError('invalid', `the ${what} ${path} does not exist or cannot be read`);
  if (facts.isFile()) return { path, remove: async () => undefined };
  if (!facts.isDirectory())
    throw new TidepoolError('invalid', `the ${what} ${path} is neither a ZIP file nor a folder`);
  const folder = await mkdtemp(join(tmpdir(), `tidepool-${what}-`));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const packed = join(folder, `${what}.zip`);
    await pack(path, packed, what === 'project' ? leftOutOfProjects : new Set());
    return { path: packed, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function pack(folder: string, target: string, leftOut: ReadonlySet<string>): Promise<void> {
  const zip = new ZipFile();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    // Links are not followed: what they lead to may be outside of the folder.
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path);
    if (!name.split('/').some((part) => leftOut.has(part))) zip.addFile(path, name);
  }
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(target));
}
