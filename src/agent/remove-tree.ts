import { randomUUID } from 'node:crypto';
import { lstatSync, rmdirSync } from 'node:fs';
import { readdir, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

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
  if (!found.isDirectory()) return await unlink(path);
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
  // A list instead of recursion: the depth is the job's to choose.
  const folders: { path: Buffer; isEmptied: boolean }[] = [{ path: root, isEmptied: false }];
  for (let folder = folders.at(-1); folder !== undefined; folder = folders.at(-1)) {
    if (folder.isEmptied) {
      rmdirSync(folder.path);
      folders.pop();
      continue;
    }
    folder.isEmptied = true;
    for (const entry of await readdir(folder.path, { withFileTypes: true, encoding: 'buffer' })) {
      const inner = Buffer.concat([folder.path, Buffer.from('/'), entry.name]);
      if (!entry.isDirectory()) await unlink(inner);
      else if (inner.length > deepestPathBytes) await moveUp(inner);
      else folders.push({ path: inner, isEmptied: false });
    }
  }
}

/** Removes everything in a folder of ours; a missing one is not an error. */
export async function removeContents(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) await removeTree(join(folder, name));
}
