import { type Disk, type ReserveRule, reserveOf } from '../domain/disk.ts';
import { hasCode } from '../domain/errors.ts';
import { fullDisk, isDiskFull } from '../files/disk-full.ts';

/** Refuses what does not fit on the disk of a folder beside its reserve. Error: `exhausted`. */
export type CheckRoom = (bytes: number) => Promise<void>;

/** Looks at the disk of a folder of backups before something is added to it. */
export function roomOf(dir: string, disk: Disk, rule: ReserveRule): CheckRoom {
  return async (bytes) => {
    const { freeBytes, totalBytes } = await disk.space();
    const keptBytes = reserveOf(rule, totalBytes);
    if (freeBytes - bytes >= keptBytes) return;
    const [free, next, kept] = [freeBytes, bytes, keptBytes].map((one) => `${Math.floor(one / 1024 ** 2)} MiB`);
    throw fullDisk(
      `no backup is made: on the disk of ${dir} ${free} are free, ${kept} are kept, and the next file has ${next}; the backups that are there are whole. Make room, or keep fewer by --keep`,
    );
  };
}

/** Does work that writes below a folder. Its errors stay, but for that of a full disk: `exhausted`, with the words. */
export async function onDisk<T>(words: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isFull(cause) && !hasCode(cause, 'exhausted')) throw fullDisk(words, cause);
    throw cause;
  }
}

/** Whether an error says that a disk is full. */
export function isFull(error: unknown): boolean {
  return isDiskFull(error) || hasCode(error, 'exhausted');
}
