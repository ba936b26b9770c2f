import { join } from 'node:path';
import { openBlobFolder } from '../../src/blobs/blob-folder.ts';
import { openLogFolder } from '../../src/blobs/log-folder.ts';
import { systemClock } from '../../src/clock/system-clock.ts';
import { defaultFlavors } from '../../src/domain/flavor.ts';
import { unlimitedStorage } from '../../src/domain/storage.ts';
import type { JobContext } from '../../src/jobs/context.ts';
import { defaultUserRules } from '../../src/jobs/rules.ts';
import { Changes } from '../../src/reconcile/changes.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { onlyPython } from '../../test/sim/parts.ts';
import { instantWorkers } from '../jobs/instant-workers.ts';
import { maxRunning, pools } from './fill.ts';

/** The job service on the database of a folder, whose user may have 10,000 jobs running and keep a TiB. */
export async function openJobs(folder: string): Promise<JobContext> {
  return {
    store: await openSqliteStore(join(folder, 'tidepool.db')),
    link: instantWorkers(),
    blobs: await openBlobFolder(join(folder, 'blobs'), systemClock),
    logs: await openLogFolder(join(folder, 'logs')),
    archives: { check: async () => ({ files: new Set(), sizeBytes: 0 }), async *files() {} },
    runtimes: onlyPython,
    hasPip: false,
    clock: systemClock,
    changes: new Changes(),
    maxAttempts: 3,
    flavors: defaultFlavors,
    storage: { ...unlimitedStorage, maxStoredBytes: () => 1024 ** 4 },
    workerPools: new Set([...pools, 'joined']),
    rules: {
      placement: 'pack',
      halfLifeMs: 86_400_000,
      maxWaitMs: 86_400_000,
      userRules: () => ({ ...defaultUserRules, maxRunning }),
    },
    log: () => undefined,
  };
}
