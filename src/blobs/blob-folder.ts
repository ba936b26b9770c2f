import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from '../domain/blob-store.ts';
import { TidepoolError } from '../domain/errors.ts';

/**
 * BlobStore in a folder: `<root>/ab/abcdef...`, written as `<root>/tmp/<random>`, flushed, then renamed, so a blob that
 * is there is whole. What a crash left in tmp is swept at opening.
 */
export async function openBlobFolder(root: string): Promise<BlobStore> {
  const temporary = join(root, 'tmp');
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  for (const leftover of await readdir(temporary)) await rm(join(temporary, leftover), { force: true });

  const pathOf = (id: string): string => {
    if (!/^[0-9a-f]{64}$/.test(id)) throw new TidepoolError('not_found', 'a blob id is 64 hexadecimal digits');
    return join(root, id.slice(0, 2), id);
  };
  const existing = async (id: string): Promise<{ path: string; sizeBytes: number }> => {
    const path = pathOf(id);
    try {
      return { path, sizeBytes: (await stat(path)).size };
    } catch (cause) {
      throw new TidepoolError('not_found', `there is no blob ${id}`, { cause });
    }
  };

  return {
    async put(source, maxBytes) {
      const draft = join(temporary, randomUUID());
      try {
        const { id, sizeBytes } = await writeDraft(draft, source, maxBytes);
        await mkdir(join(root, id.slice(0, 2)), { recursive: true, mode: 0o700 });
        await rename(draft, pathOf(id));
        return { id, sizeBytes };
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
    },
    async read(id) {
      const { path, sizeBytes } = await existing(id);
      return { sizeBytes, content: createReadStream(path) };
    },
    async path(id) {
      return (await existing(id)).path;
    },
  };
}

async function writeDraft(
  path: string,
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<{ id: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of source) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) {
        throw new TidepoolError('too_large', `more than the allowed ${maxBytes} bytes were sent`, {
          details: { maxBytes },
        });
      }
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    await file.datasync();
  } finally {
    await file.close();
  }
  return { id: hash.digest('hex'), sizeBytes };
}
