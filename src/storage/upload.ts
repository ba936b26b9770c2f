import type { BlobHold } from '../domain/blob-store.ts';
import type { StorageContext } from './context.ts';
import { discardBlobs } from './sweep.ts';

const what = 'what was sent';

/**
 * Runs what stores blobs and then writes down that they are needed. They are not swept meanwhile; when it fails they are
 * removed, so that requests which are refused do not fill the disk. Error, beside those of `use`: `exhausted` while the disk
 * has no more than its reserve.
 */
export async function withUpload<T>(
  context: StorageContext,
  use: (blobs: Pick<BlobHold, 'put' | 'keep'>) => Promise<T>,
): Promise<T> {
  await context.reserve.checkRoom(what);
  const ids = new Set<string>();
  const hold = context.blobs.hold();
  const noted: Pick<BlobHold, 'put' | 'keep'> = {
    async put(source, maxBytes) {
      const blob = await hold.put(context.reserve.guarded(source, what), maxBytes);
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
