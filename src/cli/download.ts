import { createWriteStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TidepoolError } from '../domain/errors.ts';
import { fileTrouble } from '../domain/file-trouble.ts';
import type { JobFileView } from '../protocol/api.ts';
import { pathProblem } from '../protocol/file-stream.ts';
import type { JobClient } from './job-client.ts';

/**
 * Brings files that a job produced into a folder, which is made if need be. Errors: `invalid`, `not_found`, `upstream`.
 * @param wanted their paths; all of them unless given
 */
export async function downloadFiles(
  client: JobClient,
  jobId: string,
  folder: string,
  wanted: readonly string[] = [],
): Promise<JobFileView[]> {
  const all = await client.files(jobId);
  const missing = wanted.find((path) => !all.some((file) => file.path === path));
  if (missing !== undefined)
    throw new TidepoolError('not_found', `job ${jobId} has no file ${JSON.stringify(missing)}`);
  const files = wanted.length === 0 ? all : all.filter((file) => wanted.includes(file.path));
  await makeFolder(folder);
  for (const file of files) {
    // The names were made by a script: they are checked here again, where they meet this machine's files.
    const problem = pathProblem(file.path);
    if (problem !== undefined)
      throw new TidepoolError('upstream', `the server named a file that is refused: ${problem}`);
    const target = join(folder, file.path);
    await mkdir(dirname(target), { recursive: true });
    await pipeline(Readable.fromWeb(await client.file(jobId, file.path)), createWriteStream(target));
  }
  return files;
}

/** Makes a folder for files of a job, if need be. Error: `invalid`. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    const isThere = (await stat(folder).catch(() => undefined)) !== undefined;
    const why = isThere ? 'it is a file; name a folder' : fileTrouble(cause);
    throw new TidepoolError('invalid', `the folder ${folder} cannot be made: ${why}`, { cause });
  }
}

/** Brings all files of a job as one ZIP file. Errors: `invalid`. */
export async function downloadArchive(client: JobClient, jobId: string, target: string): Promise<void> {
  const archive = Readable.fromWeb(await client.archive(jobId));
  try {
    await pipeline(archive, createWriteStream(target));
  } catch (cause) {
    throw new TidepoolError('invalid', `the archive did not get to ${target}: ${fileTrouble(cause)}`, { cause });
  }
}
