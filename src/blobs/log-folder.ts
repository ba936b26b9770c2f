import { type FileHandle, open, opendir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogKeeper } from '../domain/blob-store.ts';
import { TidepoolError } from '../domain/errors.ts';
import { makeFolder, syncPath } from '../files/durable.ts';

/** LogKeeper in a folder: one file `<root>/<job id>-<attempt>.frames` each. */
export async function openLogFolder(root: string): Promise<LogKeeper> {
  await makeFolder(root);

  const fileOf = (jobId: string, attempt: number): string => {
    if (!/^[A-Za-z0-9-]+$/.test(jobId))
      throw new TidepoolError('not_found', `there is no job ${JSON.stringify(jobId)}`);
    return join(root, `${jobId}-${attempt}.frames`);
  };

  return {
    size: (jobId, attempt) => fileSize(root, fileOf(jobId, attempt)),
    append: (jobId, attempt, chunk) => withFile(fileOf(jobId, attempt), 'a', (file) => file.writeFile(chunk)),
    async sync(jobId, attempt) {
      await withFile(fileOf(jobId, attempt), 'a', (file) => file.datasync());
      // The name of a new log is in the folder, not in the file.
      await syncPath(root);
    },
    async read(jobId, attempt, offset, maxBytes) {
      const path = fileOf(jobId, attempt);
      const available = (await fileSize(root, path)) - offset;
      if (available <= 0) return new Uint8Array();
      const buffer = Buffer.alloc(Math.min(maxBytes, available));
      const { bytesRead } = await withFile(path, 'r', (file) => file.read(buffer, 0, buffer.length, offset));
      return buffer.subarray(0, bytesRead);
    },
    async *list() {
      for await (const { name } of await opendir(root)) {
        const match = /^(.+)-(\d+)\.frames$/.exec(name);
        // What is removed meanwhile is not there any more.
        const facts = await stat(join(root, name)).catch(() => undefined);
        if (match === null || facts?.isFile() !== true) continue;
        yield { jobId: match[1] ?? '', attempt: Number(match[2]), changedAtMs: facts.mtimeMs };
      }
    },
    remove: (jobId, attempt) => rm(fileOf(jobId, attempt), { force: true }),
  };
}

async function withFile<T>(path: string, flags: 'a' | 'r', use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags, 0o600);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function fileSize(root: string, path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    // Without the folder nothing can be said of what is in it.
    await stat(root);
    return 0;
  }
}
