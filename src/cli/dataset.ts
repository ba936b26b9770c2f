import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { TidepoolError } from '../domain/errors.ts';

/** A dataset as a ZIP file on disk; `remove` deletes it if it was made here. */
export interface PackedDataset {
  readonly path: string;
  remove(): Promise<void>;
}

/** A ZIP as it is, or a folder packed into a temporary ZIP. Errors: `invalid`. */
export async function packDataset(path: string): Promise<PackedDataset> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined) throw new TidepoolError('invalid', `the dataset ${path} does not exist or cannot be read`);
  if (facts.isFile()) return { path, remove: async () => undefined };
  if (!facts.isDirectory())
    throw new TidepoolError('invalid', `the dataset ${path} is neither a ZIP file nor a folder`);
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-dataset-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const packed = join(folder, 'data.zip');
    await pack(path, packed);
    return { path: packed, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function pack(folder: string, target: string): Promise<void> {
  const zip = new ZipFile();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    // Links are not followed: what they lead to may be outside of the folder.
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    zip.addFile(path, relative(folder, path));
  }
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(target));
}
