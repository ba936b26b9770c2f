import { randomUUID } from 'node:crypto';
import { type Dirent, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { readdir, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

// What is small is done at once, which is several times cheaper than by the thread pool; but of many things one in a while goes
// by the pool all the same, so that others get their turn.
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
  const isOthersTurn = (): boolean => {
    done += 1;
    return done % atOnce === 0;
  };
  // A list instead of recursion: the depth is the job's to choose.
  const folders: { path: Buffer; isEmptied: boolean }[] = [{ path: root, isEmptied: false }];
  for (let folder = folders.at(-1); folder !== undefined; folder = folders.at(-1)) {
    if (folder.isEmptied) {
      rmdirSync(folder.path);
      folders.pop();
      continue;
    }
    folder.isEmptied = true;
    for (const entry of await entriesOf(folder.path, isOthersTurn())) {
      const inner = Buffer.concat([folder.path, Buffer.from('/'), entry.name]);
      if (!entry.isDirectory()) await removeFile(inner, isOthersTurn());
      else if (inner.length > deepestPathBytes) await moveUp(inner);
      else folders.push({ path: inner, isEmptied: false });
    }
  }
}

/** What is in a folder. Names are bytes: they need not be UTF-8. @param isByPool others get their turn meanwhile */
export async function entriesOf(folder: Buffer, isByPool = false): Promise<Dirent<Buffer>[]> {
  const options = { withFileTypes: true, encoding: 'buffer' } as const;
  if (isByPool || lstatSync(folder).size > smallFolderBytes) return await readdir(folder, options);
  return readdirSync(folder, options);
}

/** Removes a file, or a link itself. A missing one is not an error. @param isByPool others get their turn meanwhile */
export async function removeFile(path: string | Buffer, isByPool = false): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  // To free what a large file has may take the kernel long.
  if (isByPool || found.size > smallFileBytes) await unlink(path);
  else unlinkSync(path);
}

/** Removes everything in a folder of ours; a missing one is not an error. */
export async function removeContents(folder: string): Promise<void> {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found === undefined) return;
  for (const { name } of await entriesOf(Buffer.from(folder))) await removeTree(join(folder, name.toString()));
}
