import { join } from 'node:path';
import { systemClock } from '../clock/system-clock.ts';
import type { Config } from '../config/schema.ts';
import type { ReserveRule } from '../domain/disk.ts';
import { hasCode, toTidepoolError } from '../domain/errors.ts';
import type { Store } from '../domain/store.ts';
import { ballastFile, folderDisk, watchedDisk } from '../files/disk.ts';
import type { Changes } from '../reconcile/changes.ts';
import { DiskReserve } from '../storage/reserve.ts';

interface Parts {
  readonly dataDir: string;
  readonly config: Config;
  log(message: string): void;
}

/** Reserve that is kept free on a disk of ours. */
export function reserveRule({ storage }: Pick<Config, 'storage'>): ReserveRule {
  return { minBytes: storage.reserveBytes, percent: storage.reservePercent };
}

/**
 * Opens the database. When its disk is full, the ballast of the data folder is given up, and it is tried once more: SQLite
 * writes where it opens. Errors: those of `open`.
 */
export async function openWithBallast<T>(
  { dataDir, log }: Pick<Parts, 'dataDir' | 'log'>,
  open: () => Promise<T>,
): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(await isFull(error, dataDir))) throw error;
    const ballast = await ballastFile(join(dataDir, 'ballast'));
    const isDropped = await ballast.drop().catch((trouble: unknown) => {
      log(`the ballast of ${dataDir} cannot be given up: ${toTidepoolError(trouble).message}`);
      return false;
    });
    if (!isDropped) throw error;
    log(`the disk of the data folder ${dataDir} is full: the ballast is given up for the database`);
    return open();
  }
}

/** SQLite does not say of a file that it cannot make that no inode is left. */
async function isFull(error: unknown, dataDir: string): Promise<boolean> {
  if (hasCode(error, 'exhausted')) return error.details.isDiskFull === true;
  return hasCode(error, 'unavailable') && (await folderDisk(dataDir).space()).inodes?.free === 0;
}

/**
 * The reserve of the disk that the data folder is on; its alerts are events of the server. It has looked at the disk once, so
 * that a full disk has given its ballast up before the server writes anything.
 */
export async function openReserve(
  { dataDir, config, log }: Parts,
  store: Store,
  changes: Changes,
): Promise<DiskReserve> {
  const names = ['alert.raised', 'alert.cleared'] as const;
  const [last] = await store.events.newest(1, undefined, { pool: '', names });
  const reserve = new DiskReserve({
    wasRaised: last?.name === 'alert.raised',
    disk: await watchedDisk(dataDir, [dataDir, join(dataDir, 'tidepool.db')]),
    ballast: await ballastFile(join(dataDir, 'ballast')),
    rule: reserveRule(config),
    clock: systemClock,
    what: `the data folder ${dataDir}`,
    async alert(isRaised, text, data) {
      log(text);
      const name = isRaised ? 'alert.raised' : 'alert.cleared';
      await store.events.append({ atMs: systemClock.now(), name, pool: '', vm: null, text, data });
      changes.notify('events');
    },
    log,
  });
  await reserve.look().catch((error: unknown) => log(`disk: ${toTidepoolError(error).message}`));
  return reserve;
}
