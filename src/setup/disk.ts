import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Check } from './requirements.ts';

const GiB = 1024 ** 3;
/** The image, both built-in runtimes and the unpacked packages of one build at a time. */
const neededBytes = 8 * GiB;

/** Whether images can be built in a folder, which need not exist yet. `freeBytes` is for tests. */
export function checkDiskSpace(folder: string, freeBytes: (folder: string) => number = freeBytesOf): Check {
  const gib = (bytes: number) => `${(bytes / GiB).toFixed(1)} GiB`;
  const free = freeBytes(folder);
  const ok = free >= neededBytes;
  return {
    name: 'disk space',
    purpose: 'holds the golden image and runtimes, and their making',
    ok,
    detail: `${gib(free)} free for ${folder}${ok ? '' : `, and ${gib(neededBytes)} are needed`}`,
    fix: ok ? '' : `make room, or set TIDEPOOL_CACHE_DIR to a folder on a larger disk`,
    packages: [],
  };
}

function freeBytesOf(folder: string): number {
  let existing = folder;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  return bavail * bsize;
}
