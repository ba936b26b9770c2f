import { join } from 'node:path';
import { openBlobFolder } from '../../src/blobs/blob-folder.ts';
import { openLogFolder } from '../../src/blobs/log-folder.ts';
import { systemClock } from '../../src/clock/system-clock.ts';
import { defaultFlavors } from '../../src/domain/flavor.ts';
import { defaultJobLimits } from '../../src/domain/limits.ts';
import { unlimitedStorage } from '../../src/domain/storage.ts';
import { readyVm } from '../../src/fake/vm.ts';
import type { JobContext } from '../../src/jobs/context.ts';
import { JobController } from '../../src/jobs/controller.ts';
import { defaultUserRules } from '../../src/jobs/rules.ts';
import { type Submission, submitJob } from '../../src/jobs/submit.ts';
import { Changes } from '../../src/reconcile/changes.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { temporaryFolder } from '../../test/support/server.ts';
import { instantWorkers } from './instant-workers.ts';
import { type Load, perSecond } from './load.ts';

const workers = 8;
const cpusEach = 16;
const users = 10;

/** Jobs a second of Tidepool's job service on SQLite: each submitted by itself, the last one ended. */
export async function oursPerSecond(load: Load): Promise<number> {
  const folder = await temporaryFolder('bench-jobs');
  const store = await openSqliteStore(join(folder.path, 'tidepool.db'));
  try {
    const capacity = { cpus: cpusEach, memoryBytes: 64 * 1024 ** 3, diskBytes: 1024 ** 4, slots: 256 };
    for (let i = 0; i < workers; i += 1) await store.vms.insert(readyVm({ name: `worker-${i}`, capacity }));
    const context = await jobContext(folder.path, store);
    const { id: scriptBlob } = await context.blobs.put(oneChunk('pass\n'), 100);
    const jobs = new JobController(context);
    jobs.start();
    try {
      return await perSecond(
        load,
        async (i) => void (await submitJob(context, rules, submission(`user-${i % users}`, scriptBlob))),
        async () => (await store.jobs.countQueued()) + (await store.jobs.holdings()).length,
      );
    } finally {
      await jobs.stop();
    }
  } finally {
    await store.close();
    await folder.remove();
  }
}

const rules = { flavors: defaultFlavors, maxQueued: 1_000_000 };

async function jobContext(path: string, store: JobContext['store']): Promise<JobContext> {
  return {
    store,
    link: instantWorkers(),
    blobs: await openBlobFolder(join(path, 'blobs'), systemClock),
    logs: await openLogFolder(join(path, 'logs')),
    archives: { check: async () => ({ files: new Set(), sizeBytes: 0 }), async *files() {} },
    runtimes: {
      list: async () => [],
      names: async () => ['python'],
      want: async () => undefined,
      image: async () => null,
      wantLayered: async () => undefined,
      isRemoved: async () => false,
    },
    hasPip: false,
    flavors: defaultFlavors,
    clock: systemClock,
    changes: new Changes(),
    maxAttempts: 3,
    storage: unlimitedStorage,
    workerPools: new Set(['default']),
    rules: {
      placement: 'pack',
      halfLifeMs: 86_400_000,
      maxWaitMs: 86_400_000,
      userRules: () => defaultUserRules,
    },
    log: () => undefined,
  };
}

function submission(owner: string, scriptBlob: string): Submission {
  const { cpus, memoryBytes } = defaultJobLimits;
  return {
    owner,
    entrypoint: 'job.py',
    args: [],
    environment: {},
    runtime: 'python',
    limits: { cpus, memoryBytes },
    network: false,
    priority: 0,
    labels: {},
    source: 'script',
    scriptBlob,
    dataBlob: null,
    requirementsBlob: null,
    inputBytes: { script: 5, data: 0, requirements: 0 },
  };
}

async function* oneChunk(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
