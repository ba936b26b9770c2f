import { join } from 'node:path';
import { systemClock } from '../clock/system-clock.ts';
import type { Config } from '../config/schema.ts';
import type { ReserveRule } from '../domain/disk.ts';
import type { Store } from '../domain/store.ts';
import { ballastFile, folderDisk } from '../files/disk.ts';
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

/** The reserve of the disk that the data folder is on; its alerts are events of the server. */
export async function openReserve(
  { dataDir, config, log }: Parts,
  store: Store,
  changes: Changes,
): Promise<DiskReserve> {
  const names = ['alert.raised', 'alert.cleared'] as const;
  const [last] = await store.events.newest(1, undefined, { pool: '', names });
  return new DiskReserve({
    wasRaised: last?.name === 'alert.raised',
    disk: folderDisk(dataDir),
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
}
