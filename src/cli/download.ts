import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TidepoolError } from '../domain/errors.ts';
import type { JobFileView } from '../protocol/api.ts';
import { pathProblem } from '../protocol/file-stream.ts';
import type { ApiClient } from './client.ts';

/** Brings a job's produced files into a folder, which is made if need be. Errors: `invalid`, `upstream`. */
export async function downloadFiles(client: ApiClient, jobId: string, folder: string): Promise<JobFileView[]> {
  const files = await client.files(jobId);
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new TidepoolError('invalid', `the folder ${folder} cannot be made`, { cause });
  });
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
