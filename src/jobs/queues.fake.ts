import type { QueuedJob } from '../domain/queue.ts';
import type { UserQueue } from './fairness.ts';
import type { Worker } from './room.ts';
import { defaultUserRules, type UserRules } from './rules.ts';

const GiB = 1024 ** 3;

/** A queued job for tests; every field may be given. */
export function queued(id: string, fields: Partial<QueuedJob> = {}): QueuedJob {
  return {
    id,
    owner: 'ann',
    priority: 0,
    runtime: 'python',
    cpus: 1,
    memoryBytes: GiB,
    diskBytes: GiB,
    timeoutMs: 60_000,
    createdAtMs: 0,
    ...fields,
  };
}

/** A user with these jobs, who has had nothing yet. */
export function userQueue(
  name: string,
  jobs: readonly QueuedJob[],
  fields: Partial<Omit<UserQueue, 'rules'>> & { rules?: Partial<UserRules> } = {},
): UserQueue {
  return {
    name,
    share: 0,
    running: 0,
    cpus: 0,
    firstSinceMs: 0,
    queued: jobs.length,
    jobs,
    ...fields,
    rules: { ...defaultUserRules, ...fields.rules },
  };
}

/** An idle worker. */
export function idleWorker(name: string, cpus: number, fields: Partial<Worker> = {}): Worker {
  return {
    name,
    runtimes: ['python'],
    cpus,
    memoryBytes: 64 * GiB,
    diskBytes: 1024 * GiB,
    slots: 256,
    held: [],
    ...fields,
  };
}
