import { join } from 'node:path';
import { systemClock } from '../../src/clock/system-clock.ts';
import { emptyResult, type Job } from '../../src/domain/job.ts';
import { defaultJobLimits } from '../../src/domain/limits.ts';
import type { Store } from '../../src/domain/store.ts';
import { emptySpec, queuedJob } from '../../src/fake/job.ts';
import { readyVm } from '../../src/fake/vm.ts';
import { JobPlanner } from '../../src/jobs/planner.ts';
import { defaultUserRules } from '../../src/jobs/rules.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';

const jobs = 100_000;
const users = 500;
const workers = 50;
const rounds = 100;

/** What a process has that does nothing but schedule. */
export interface Figures {
  /** The longest that one call took, with its queries; the first, with nothing read before, is among them. */
  readonly worstMs: number;
  /** The longest that a turn of the event loop took meanwhile, by the CPU time of the thread. */
  readonly turnMs: number;
  readonly peakMiB: number;
}

/** A database in the folder with 100,000 queued jobs of 500 users, of many sizes, and 50 workers. */
export async function fillQueue(folder: string): Promise<void> {
  const store = await openSqliteStore(join(folder, 'tidepool.db'));
  try {
    for (let i = 0; i < workers; i += 1) {
      const capacity = { cpus: 4, memoryBytes: 16 * 1024 ** 3, diskBytes: 1024 ** 4, slots: 256 };
      await store.vms.insert(readyVm({ name: `worker-${i}`, capacity }));
    }
    for (let i = 0; i < jobs; i += 1_000) {
      await Promise.all(Array.from({ length: 1_000 }, (_, k) => store.jobs.insert(someJob(i + k))));
    }
  } finally {
    await store.close();
  }
}

/** Schedules in the filled folder, while jobs start, end and come. */
async function measure(folder: string): Promise<Figures> {
  const store = await openSqliteStore(join(folder, 'tidepool.db'));
  try {
    const rules = {
      placement: 'pack' as const,
      halfLifeMs: 86_400_000,
      maxWaitMs: 4 * 3_600_000,
      userRules: () => defaultUserRules,
    };
    const planner = new JobPlanner({ store, clock: systemClock, rules, workerPools: new Set(['default']) });
    let worstMs = 0;
    const turns = watchTurns();
    let made = jobs + Math.floor(systemClock.now() % 1e9) * 1_000;
    for (let round = 0; round < rounds; round += 1) {
      const startedAtMs = performance.now();
      turns.begin();
      const assignments = await planner.plan(await store.jobs.holdingsByWorker());
      worstMs = Math.max(worstMs, performance.now() - startedAtMs);
      turns.end();
      await store.jobs.assign(assignments, systemClock.now());
      await endSome(store);
      for (let i = 0; i < 20; i += 1) await store.jobs.insert(someJob(made++));
    }
    return { worstMs, turnMs: turns.longestMs, peakMiB: process.resourceUsage().maxRSS / 1024 };
  } finally {
    await store.close();
  }
}

/** Measures turns of the event loop from `begin` to `end`, by the CPU time of this thread. */
function watchTurns() {
  let longestMs = 0;
  let beganMs = 0;
  let isOn = false;
  const look = (): void => {
    const nowMs = cpuMs();
    longestMs = Math.max(longestMs, nowMs - beganMs);
    beganMs = nowMs;
  };
  const turn = (): void => {
    if (!isOn) return;
    look();
    setImmediate(turn);
  };
  return {
    get longestMs(): number {
      return longestMs;
    },
    begin() {
      isOn = true;
      beganMs = cpuMs();
      setImmediate(turn);
    },
    end() {
      look();
      isOn = false;
    },
  };
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

async function endSome(store: Store): Promise<void> {
  const active = await store.jobs.holdings();
  const end = { state: 'succeeded' as const, result: emptyResult, files: [], nowMs: systemClock.now() };
  await Promise.all(
    active.filter((_, i) => i % 5 === 0).map(({ jobId, attempt }) => store.jobs.finish(jobId, attempt, end)),
  );
}

function someJob(i: number): Job {
  const limits = { ...defaultJobLimits, cpus: [0.5, 1, 1, 2, 4][i % 5] ?? 1, timeoutMs: 60_000 * (1 + (i % 7)) };
  const spec = { ...emptySpec, priority: i % 3, limits, args: ['--seed', String(i)] };
  return queuedJob({
    id: `job-${String(i).padStart(12, '0')}`,
    owner: `user-${(i * 7) % users}`,
    spec,
    createdAtMs: systemClock.now(),
  });
}

const [folder] = process.argv.slice(2);
if (import.meta.main && folder !== undefined) process.stdout.write(`${JSON.stringify(await measure(folder))}\n`);
