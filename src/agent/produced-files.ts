import { constants, lstatSync } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileEntry, type FileHeader, pathProblem } from '../protocol/file-stream.ts';
import { entriesOf } from './remove-tree.ts';

/** More files than this are not taken along. */
export const maxProducedFiles = 10_000;
/** Entries of ./out that are looked at; a folder of links must not keep the agent busy without end. */
const maxEntries = 100_000;
const readBytes = 256 * 1024;
/** Files asked for their size at a time. */
const statBatch = 64;
/** Names in the notice on what was left out. */
const maxNamed = 10;

export interface Produced {
  /** In order of their names. */
  readonly files: readonly FileHeader[];
  /** One sentence on what was left out and why, or ''. */
  readonly notice: string;
}

/**
 * The regular files of a job's ./out, to be called when no process of the job is left. Links are never followed: a job
 * owns the folder and may have put anything there.
 * @param workPath the job's working folder; `out` itself may be missing, or not a folder
 * @param maxBytes the job's disk limit; sparse files can claim more than they hold
 */
export async function listProduced(workPath: string, maxBytes: number): Promise<Produced> {
  const out = `${workPath}/out`;
  const top = lstatSync(out, { throwIfNoEntry: false });
  if (top === undefined) return { files: [], notice: '' };
  if (!top.isDirectory()) return { files: [], notice: './out is not a folder, so no files were taken along' };
  const leftOut = new LeftOut();
  const paths = await regularFiles(out, leftOut);
  const files = await withSizes(out, paths, maxBytes, leftOut);
  return { files, notice: leftOut.notice };
}

/** Paths below `out`, sorted. */
async function regularFiles(out: string, leftOut: LeftOut): Promise<string[]> {
  const paths: string[] = [];
  const folders = [''];
  let entries = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of await entriesOf(Buffer.from(join(out, folder)))) {
      const path = `${folder}${entry.name.toString()}`;
      const isText = entry.name.equals(Buffer.from(entry.name.toString()));
      const problem = isText ? pathProblem(path) : 'its name is not UTF-8';
      entries += 1;
      if (entries > maxEntries) leftOut.add(path, `after the first ${maxEntries} entries`);
      else if (problem !== undefined) leftOut.add(path, problem);
      else if (entry.isDirectory()) folders.push(`${path}/`);
      else if (!entry.isFile()) leftOut.add(path, entry.isSymbolicLink() ? 'a link' : 'not a regular file');
      else if (paths.length >= maxProducedFiles) leftOut.add(path, `more than ${maxProducedFiles} files`);
      else paths.push(path);
    }
  }
  return paths.sort();
}

async function withSizes(out: string, paths: string[], maxBytes: number, leftOut: LeftOut): Promise<FileHeader[]> {
  const files: FileHeader[] = [];
  let leftBytes = maxBytes;
  for (let at = 0; at < paths.length; at += statBatch) {
    const batch = paths.slice(at, at + statBatch);
    const stats = await Promise.all(batch.map((path) => lstat(join(out, path))));
    for (const [index, { size }] of stats.entries()) {
      const path = batch[index] ?? '';
      if (size > leftBytes) {
        leftOut.add(path, 'larger than the disk limit');
      } else {
        leftBytes -= size;
        files.push({ path, size });
      }
    }
  }
  return files;
}

/** What is not taken along, with the first few names. */
class LeftOut {
  readonly #named: string[] = [];
  #count = 0;

  add(path: string, why: string): void {
    this.#count += 1;
    if (this.#named.length < maxNamed) this.#named.push(`${JSON.stringify(`out/${path}`.slice(0, 200))} (${why})`);
  }

  get notice(): string {
    if (this.#count === 0) return '';
    const more = this.#count > this.#named.length ? ` and ${this.#count - this.#named.length} more` : '';
    return `not taken along from ./out: ${this.#named.join(', ')}${more}`;
  }
}

/** The listed files with their content. */
export async function* openProduced(workPath: string, files: readonly FileHeader[]): AsyncGenerator<FileEntry> {
  for (const { path, size } of files) yield { path, size, content: contentOf(join(workPath, 'out', path), size) };
}

/** Plain reads: a stream object for each of ten thousand small files costs more than the files. */
async function* contentOf(path: string, size: number): AsyncGenerator<Uint8Array> {
  if (size === 0) return;
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    for (let at = 0; at < size; ) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(size - at, readBytes)));
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
