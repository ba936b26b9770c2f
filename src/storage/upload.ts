import type { BlobHold } from '../domain/blob-store.ts';
import type { StorageContext } from './context.ts';
import { discardBlobs } from './sweep.ts';

/**
 * Runs what stores blobs and then writes down that they are needed. They are not swept meanwhile; when it fails they are
 * removed, so that requests which are refused do not fill the disk.
 */
export async function withUpload<T>(
  context: StorageContext,
  use: (blobs: Pick<BlobHold, 'put' | 'keep'>) => Promise<T>,
): Promise<T> {
  const ids = new Set<string>();
  const hold = context.blobs.hold();
  const noted: Pick<BlobHold, 'put' | 'keep'> = {
    async put(source, maxBytes) {
      const blob = await hold.put(source, maxBytes);
      ids.add(blob.id);
      return blob;
    },
    keep: (id) => hold.keep(id),
  };
  try {
    return await use(noted);
  } catch (error) {
    hold[Symbol.dispose]();
    await discardBlobs(context, [...ids]).catch((problem: unknown) =>
      context.log(`what a failed upload left stays until the next sweep: ${String(problem)}`),
    );
    throw error;
  } finally {
    hold[Symbol.dispose]();
  }
}
