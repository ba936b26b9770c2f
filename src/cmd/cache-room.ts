import { type DiskSpace, defaultReserve, type ReserveRule, reserveOf } from '../domain/disk.ts';
import { TidepoolError } from '../domain/errors.ts';
import { folderDisk } from '../files/disk.ts';
import { readLeases } from '../image/leases.ts';

/**
 * Refuses to build into a cache whose disk has no more than its reserve: the largest that an installation with this cache keeps.
 * Error: `exhausted`, with the numbers.
 * @param own rule of the installation that builds; without one those of the others count, and the usual one if there are none
 */
export async function checkCacheRoom(cacheDir: string, own?: ReserveRule, disk = folderDisk(cacheDir)): Promise<void> {
  const rules = (await readLeases(cacheDir)).map(({ reserve }) => reserve);
  if (own !== undefined) rules.push(own);
  requireRoom(cacheDir, rules.length === 0 ? [defaultReserve] : rules, await disk.space());
}

function requireRoom(cacheDir: string, rules: readonly ReserveRule[], { freeBytes, totalBytes }: DiskSpace): void {
  const keptBytes = Math.max(...rules.map((rule) => reserveOf(rule, totalBytes)));
  if (freeBytes >= keptBytes) return;
  const [free, kept] = [freeBytes, keptBytes].map((bytes) => `${Math.floor(bytes / 1024 ** 2)} MiB`);
  throw new TidepoolError(
    'exhausted',
    `the disk of the cache ${cacheDir} is nearly full: ${free} are free, and ${kept} are kept for what runs; make room on it, e.g. by ./tidepool image prune`,
    { details: { isDiskFull: true } },
  );
}
