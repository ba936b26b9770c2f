import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileEntry, type FileHeader, pathProblem } from '../protocol/file-stream.ts';

/** More files than this are not taken along. */
export const maxProducedFiles = 10_000;
/** Entries of ./out that are looked at; a folder of links must not keep the agent busy without end. */
const maxEntries = 100_000;
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
  const files: FileHeader[] = [];
  const left: string[] = [];
  let leftCount = 0;
  let leftBytes = maxBytes;
  let entries = 0;
  const leave = (path: string, why: string): void => {
    leftCount += 1;
    if (left.length < maxNamed) left.push(`${JSON.stringify(`out/${path}`.slice(0, 200))} (${why})`);
  };
  const out = join(workPath, 'out');
  const waiting = [''];
  const top = await lstat(out).catch(() => undefined);
  if (top !== undefined && !top.isDirectory())
    return { files, notice: './out is not a folder, so no files were taken' };
  if (top === undefined) return { files, notice: '' };

  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const entry of await readdir(join(out, folder), { withFileTypes: true, encoding: 'buffer' })) {
      entries += 1;
      if (entries > maxEntries)
        return { files: sorted(files), notice: `only the first ${maxEntries} entries of ./out were looked at` };
      const path = `${folder}${entry.name.toString()}`;
      const problem = entry.name.equals(Buffer.from(entry.name.toString()))
        ? pathProblem(path)
        : 'its name is not UTF-8';
      if (problem !== undefined) leave(path, problem);
      else if (entry.isDirectory()) waiting.push(`${path}/`);
      else if (!entry.isFile()) leave(path, entry.isSymbolicLink() ? 'a link' : 'not a regular file');
      else if (files.length >= maxProducedFiles) leave(path, `more than ${maxProducedFiles} files`);
      else {
        const { size } = await lstat(join(out, path));
        leftBytes -= size;
        if (leftBytes < 0) {
          leave(path, 'larger than the disk limit');
          leftBytes += size;
        } else files.push({ path, size });
      }
    }
  }
  return { files: sorted(files), notice: leftCount === 0 ? '' : leftOut(left, leftCount) };
}

/** The listed files with their content. */
export async function* openProduced(workPath: string, files: readonly FileHeader[]): AsyncGenerator<FileEntry> {
  for (const { path, size } of files) {
    const file = await open(
      join(workPath, 'out', path),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    yield { path, size, content: file.createReadStream({ start: 0, highWaterMark: 256 * 1024 }) };
  }
}

function sorted(files: FileHeader[]): FileHeader[] {
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function leftOut(named: readonly string[], count: number): string {
  const more = count > named.length ? ` and ${count - named.length} more` : '';
  return `not taken along from ./out: ${named.join(', ')}${more}`;
}
