import { randomUUID } from 'node:crypto';
import { type Dirent, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { readdir, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as letOthers } from 'node:timers/promises';

// What is small is done at once, which is several times cheaper than by the thread pool, and others get their turn between.
const smallFolderBytes = 4096;
const smallFileBytes = 1024 * 1024;
const atOnce = 32;

/** Below the kernel's limit of 4,096 for a path, with room for one more name. */
const deepestPathBytes = 3_500;

/**
 * Removes a file or folder that a job may have filled on purpose. Unlike `fs.rm` it also copes with names that are no
 * UTF-8 and with folders nested so deep that they have no path that the kernel takes: such an inner folder is first
 * moved up beside the outer one. Links are removed, never followed. A missing path is not an error.
 */
export async function removeTree(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory()) return await removeFile(path);
  const waiting: Buffer[] = [Buffer.from(path)];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    await removeFolder(next, async (tooDeep) => {
      const above = Buffer.from(join(dirname(path), `.removing-${randomUUID()}`));
      await rename(tooDeep, above);
      waiting.push(above);
    });
  }
}

async function removeFolder(root: Buffer, moveUp: (path: Buffer) => Promise<void>): Promise<void> {
  let done = 0;
  // A list instead of recursion: the depth is the job's to choose.
  const folders: { path: Buffer; isEmptied: boolean }[] = [{ path: root, isEmptied: false }];
  for (let folder = folders.at(-1); folder !== undefined; folder = folders.at(-1)) {
    if (folder.isEmptied) {
      rmdirSync(folder.path);
      folders.pop();
      continue;
    }
    folder.isEmptied = true;
    for (const entry of await entriesOf(folder.path)) {
      done += 1;
      if (done % atOnce === 0) await letOthers();
      const inner = Buffer.concat([folder.path, Buffer.from('/'), entry.name]);
      if (!entry.isDirectory()) await removeFile(inner);
      else if (inner.length > deepestPathBytes) await moveUp(inner);
      else folders.push({ path: inner, isEmptied: false });
    }
  }
}

async function entriesOf(folder: Buffer): Promise<Dirent<Buffer>[]> {
  const options = { withFileTypes: true, encoding: 'buffer' } as const;
  return lstatSync(folder).size <= smallFolderBytes ? readdirSync(folder, options) : await readdir(folder, options);
}

/** Removes a file, or a link itself. A missing one is not an error. */
export async function removeFile(path: string | Buffer): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  // To free what a large file has may take the kernel long.
  if (found.size <= smallFileBytes) unlinkSync(path);
  else await unlink(path);
}

/** Removes everything in a folder of ours; a missing one is not an error. */
export async function removeContents(folder: string): Promise<void> {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found === undefined) return;
  for (const { name } of await entriesOf(Buffer.from(folder))) await removeTree(join(folder, name.toString()));
}
