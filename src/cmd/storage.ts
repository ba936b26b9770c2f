import { join } from 'node:path';
import { openBlobFolder } from '../blobs/blob-folder.ts';
import { openLogFolder } from '../blobs/log-folder.ts';
import { systemClock } from '../clock/system-clock.ts';
import type { JobsConfig } from '../config/jobs-schema.ts';
import type { Config } from '../config/schema.ts';
import { type StorageRules, unlimitedStorage } from '../domain/storage.ts';
import type { Store } from '../domain/store.ts';
import type { Changes } from '../reconcile/changes.ts';
import type { StorageContext } from '../storage/context.ts';
import { roomyBlobs, roomyLogs } from '../storage/keep-room.ts';
import type { DiskReserve } from '../storage/reserve.ts';

/** What users may keep, from the configuration: a user's own setting, then that of all. */
export function storageRules({ limits, users, retention }: JobsConfig): StorageRules {
  const given = Object.fromEntries(Object.entries(retention).filter(([, value]) => value !== undefined));
  return {
    maxStoredBytes(user) {
      const own = Object.hasOwn(users, user) ? users[user] : undefined;
      return own?.maxStoredBytes ?? limits.maxStoredBytes;
    },
    retention: { ...unlimitedStorage.retention, ...given },
  };
}

/** Returns what raises and clears the alert about what is kept, as events; once each, also over restarts. */
export function storageAlert(
  store: Pick<Store, 'events'>,
  changes: Changes,
  log: (message: string) => void,
): (isRaised: boolean, text: string) => Promise<void> {
  const names = ['alert.raised', 'alert.cleared'] as const;
  return async (isRaised, text) => {
    const [last] = await store.events.newest(1, undefined, { pool: 'storage', names });
    if ((last?.name === 'alert.raised') === isRaised) return;
    log(text);
    const name = isRaised ? 'alert.raised' : 'alert.cleared';
    await store.events.append({ atMs: systemClock.now(), name, pool: 'storage', vm: null, text, data: {} });
    changes.notify('events');
  };
}

interface StorageParts {
  readonly dataDir: string;
  readonly config: Config;
  log(message: string): void;
}

/** Opens what keeps blobs and logs in the data folder, and removes what nobody needs. */
export async function openStorage(
  { dataDir, config, log }: StorageParts,
  store: Store,
  reserve: DiskReserve,
  changes: Changes,
): Promise<StorageContext> {
  return {
    store,
    blobs: roomyBlobs(await openBlobFolder(join(dataDir, 'blobs'), systemClock, log), reserve),
    logs: roomyLogs(await openLogFolder(join(dataDir, 'logs')), reserve),
    reserve,
    rules: storageRules(config.jobs),
    clock: systemClock,
    log,
    alert: storageAlert(store, changes, log),
  };
}
