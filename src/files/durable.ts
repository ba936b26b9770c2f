import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Writes a file as a whole: into a draft beside it, flushed, then renamed, and the folder flushed. After a kill or a
 * power cut the file is the old one or the new one, never a part, and never empty. A draft that a kill has left goes when the next
 * file is written to this folder, ten minutes later or more.
 * @param mode of the file, also where one is there already
 */
export async function writeFileDurably(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const draft = `${path}.${randomUUID()}.part`;
  try {
    await using file = await open(draft, 'wx', mode);
    await removeOldDrafts(dirname(path), (await file.stat()).mtimeMs - draftMs);
    await file.writeFile(content);
    await file.chmod(mode);
    await file.sync();
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  await syncPath(dirname(path));
}

/** A draft is written at once: one that is older is of a process that was killed. By the clock of the file system. */
const draftMs = 600_000;
const draftPattern = /\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.part$/;

async function removeOldDrafts(folder: string, beforeMs: number): Promise<void> {
  for (const name of (await readdir(folder).catch(absent)) ?? []) {
    if (!draftPattern.test(name)) continue;
    const facts = await stat(join(folder, name)).catch(gone);
    if (facts !== undefined && facts.mtimeMs < beforeMs) await rm(join(folder, name), { force: true });
  }
}

/** Flushes one file or folder. A new name in a folder survives a power cut only after the folder is flushed. */
export async function syncPath(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}

/** Flushes a file, or a folder with all that is in it. Symbolic links are not followed. */
export async function syncTree(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  if ((await handle.stat()).isDirectory()) {
    for (const entry of await readdir(path, { withFileTypes: true }))
      if (entry.isFile() || entry.isDirectory()) await syncTree(join(path, entry.name));
  }
  await handle.sync();
}

/** Makes a folder with those above it, and flushes the name of each new one. */
export async function makeFolder(path: string, mode = 0o700): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode });
  if (first === undefined) return;
  for (let folder = path; folder.length >= first.length; folder = dirname(folder)) await syncPath(dirname(folder));
}

/** For the `catch` of a look at a file or folder: undefined when it is not there. Every other error is thrown on. */
export function gone(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}

/** Failures that say nothing of a file: this process or its machine lacks something. */
const ownTrouble = ['EMFILE', 'ENFILE', 'ENOMEM', 'EIO'];

/**
 * For the `catch` of a look at a file or folder: undefined when it is not there or not for us. A look that failed for lack of
 * descriptors or memory, or because the disk fails, does not say that: the error is thrown on.
 */
export function absent(error: unknown): undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (ownTrouble.includes(code)) throw error;
  return undefined;
}

/**
 * Returns what a JSON file says; undefined when there is none, or when it is no JSON, such as an empty file. Errors: those of
 * `absent`.
 */
export async function readJson(path: string): Promise<unknown> {
  const text = (await readFile(path, 'utf8').catch(absent)) ?? '';
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
