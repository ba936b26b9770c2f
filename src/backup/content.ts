import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';

/** A file's content as it was read. */
export interface Content {
  readonly sha256: string;
  readonly sizeBytes: number;
}

const chunkBytes = 1024 * 1024;

/** Copies a file, at most so many bytes of it, to a new file; returns what was copied. The copy is flushed. */
export async function copyFlushed(from: string, to: string, maxBytes = Number.POSITIVE_INFINITY): Promise<Content> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  await using file = await open(to, 'wx', 0o600);
  if (maxBytes > 0) {
    const range = Number.isFinite(maxBytes) ? { end: maxBytes - 1 } : {};
    for await (const chunk of createReadStream(from, { ...range, highWaterMark: chunkBytes })) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      await file.writeFile(chunk);
    }
  }
  await file.sync();
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** Returns the hash and size of a file. */
export async function contentOf(path: string): Promise<Content> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** For the `catch` of a read: undefined when the disk cannot give the content any more, as of a damaged sector. */
export function unreadable(error: unknown): undefined {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code !== 'EIO' || syscall !== 'read') throw error;
}
