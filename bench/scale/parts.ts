import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBlobFolder } from '../../src/blobs/blob-folder.ts';
import { openLogFolder } from '../../src/blobs/log-folder.ts';
import { systemClock } from '../../src/clock/system-clock.ts';
import type { AgentLink, AttemptOutput } from '../../src/domain/agent-link.ts';
import { defaultFlavors } from '../../src/domain/flavor.ts';
import { unlimitedStorage } from '../../src/domain/storage.ts';
import type { JobContext } from '../../src/jobs/context.ts';
import { defaultUserRules } from '../../src/jobs/rules.ts';
import { agentProtocol } from '../../src/protocol/agent.ts';
import { Changes } from '../../src/reconcile/changes.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { onlyPython } from '../../test/sim/parts.ts';
import { instantWorkers } from '../jobs/instant-workers.ts';
import { capacity, pools } from './fill.ts';

const maxRunning = 10_000;
/** Jobs end at any time within this, so that of 10,000 some 80 end in a second. */
const longestMs = 120_000;

const health = {
  ...{ version: 'bench', protocol: agentProtocol, bootId: 'bench', uptimeMs: 1, clockMs: 1, capacity },
  ...{ runtimes: ['python'], runningAttempts: 0, isWarmingUp: false },
};

/** The job service on the database of a folder, whose user may have 10,000 jobs running and keep a TiB. */
export async function openJobs(folder: string): Promise<JobContext> {
  return {
    store: await openSqliteStore(join(folder, 'tidepool.db')),
    link: slowWorkers(),
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

/** Workers that answer at once and whose jobs take minutes. */
function slowWorkers(): AgentLink {
  const instant = instantWorkers();
  async function* lasting(output: AttemptOutput, signal: AbortSignal | undefined): AttemptOutput {
    await sleep(Math.random() * longestMs, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) });
    return yield* output;
  }
  return {
    ...instant,
    health: async ({ host }) => ({ ...health, hostname: host }),
    run: (agent, spec, files, following) => lasting(instant.run(agent, spec, files), following?.signal),
    output: (agent, id, offset, following) => lasting(instant.output(agent, id, offset), following?.signal),
  };
}
