import { reserveOf } from '../domain/disk.ts';
import { TidepoolError } from '../domain/errors.ts';
import { folderDisk } from '../files/disk.ts';

/** Refuses to build into a cache whose disk has no more than its reserve. Error: `exhausted`, with the numbers. */
export async function checkCacheRoom(
  cacheDir: string,
  { reserveBytes: minBytes, reservePercent: percent }: { reserveBytes: number; reservePercent: number },
): Promise<void> {
  const { freeBytes, totalBytes } = await folderDisk(cacheDir).space();
  const keptBytes = reserveOf({ minBytes, percent }, totalBytes);
  if (freeBytes >= keptBytes) return;
  const [free, kept] = [freeBytes, keptBytes].map((bytes) => `${Math.floor(bytes / 1024 ** 2)} MiB`);
  throw new TidepoolError(
    'exhausted',
    `the disk of the cache ${cacheDir} is nearly full: ${free} are free, and ${kept} are kept for what runs; make room on it, e.g. by ./tidepool image prune`,
    { details: { isDiskFull: true } },
  );
}
