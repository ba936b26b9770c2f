import type { QueuedJob } from '../domain/queue.ts';
import type { UserQueue } from './fairness.ts';
import { covers, epsilon } from './resources.ts';

/** A pool of VMs for jobs, as far as a waiting job has to know it. */
export interface PoolShape {
  readonly name: string;
  /** What the jobs on one new VM together may hold. */
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly slots: number;
  /** Runtimes that a new VM would have. */
  readonly runtimes: ReadonlySet<string>;
  /** The most VMs that it may have. */
  readonly max: number;
  /** CPUs that jobs hold on its VMs. */
  readonly heldCpus: number;
  /** Jobs of one CPU that a VM takes at a time. */
  readonly perVm: number;
}

type Need = Pick<QueuedJob, 'cpus' | 'memoryBytes' | 'diskBytes'>;

/**
 * The work that waits for each pool, in jobs of one CPU. Pure. It counts what a new VM of that pool could start, and nothing
 * else: no job that a limit of its user holds back, whose runtime a new VM would not have, or that is too large for the
 * pool. A job counts for one pool only: the first that could run it and is not full already when it has all its VMs.
 *
 * What the scheduler has not looked at, behind the first jobs of a long queue, counts as more of the same.
 * @param assigned ids of jobs that have got a worker since the queues were read
 */
export function demandOf(
  queues: readonly UserQueue[],
  assigned: ReadonlySet<string>,
  pools: readonly PoolShape[],
): ReadonlyMap<string, number> {
  const tally = new Tally(pools);
  for (const queue of queues) countUser(queue, assigned, tally);
  return tally.waiting;
}

/** How much of a VM's `perVm` places a job takes: one, or more when it is larger than an even part of the VM. */
export function weightOf(job: Need, pool: Pick<PoolShape, 'cpus' | 'memoryBytes' | 'diskBytes' | 'perVm'>): number {
  const { cpus, memoryBytes, diskBytes } = pool;
  const share = Math.max(job.cpus / cpus, job.memoryBytes / memoryBytes, job.diskBytes / diskBytes);
  return Math.min(pool.perVm, Math.max(1, share * pool.perVm));
}

function countUser(queue: UserQueue, assigned: ReadonlySet<string>, tally: Tally): void {
  const { rules } = queue;
  let { running, cpus } = queue;
  const counted = new Map<PoolShape, { jobs: number; weight: number }>();
  let seen = 0;
  let started = 0;
  let startedCpus = 0;
  for (const job of queue.jobs) {
    // One that is larger than all that its user may have is passed over, and what is behind one at a limit waits (schedule.ts).
    if (job.cpus > rules.maxCpus + epsilon) continue;
    if (running >= rules.maxRunning || cpus + job.cpus > rules.maxCpus + epsilon) return;
    const isAssigned = assigned.has(job.id);
    const pool = isAssigned ? undefined : tally.poolFor(job);
    if (!isAssigned) seen += 1;
    if (!isAssigned && pool === undefined) continue;
    running += 1;
    cpus += job.cpus;
    if (pool === undefined) continue;
    started += 1;
    startedCpus += job.cpus;
    const of = counted.get(pool) ?? { jobs: 0, weight: 0 };
    const weight = weightOf(job, pool);
    counted.set(pool, { jobs: of.jobs + 1, weight: of.weight + weight });
    tally.add(pool, job.cpus, weight);
  }
  const behind = queue.queued - queue.jobs.length;
  if (behind <= 0 || started === 0) return;
  const mean = startedCpus / started;
  const more = Math.min((behind * started) / seen, rules.maxRunning - running, (rules.maxCpus - cpus) / mean);
  if (more <= 0) return;
  for (const [pool, { jobs, weight }] of counted) {
    const share = more * (jobs / started);
    tally.add(pool, share * mean, share * (weight / jobs));
  }
}

/** What is counted so far. */
class Tally {
  readonly waiting: Map<string, number>;
  readonly #pools: readonly PoolShape[];
  readonly #leftCpus: Map<PoolShape, number>;

  constructor(pools: readonly PoolShape[]) {
    this.#pools = pools;
    this.waiting = new Map(pools.map(({ name }) => [name, 0]));
    this.#leftCpus = new Map(pools.map((pool) => [pool, pool.max * pool.cpus - pool.heldCpus]));
  }

  poolFor(job: QueuedJob): PoolShape | undefined {
    const able = this.#pools.filter((pool) => canRun(pool, job));
    return able.find((pool) => (this.#leftCpus.get(pool) ?? 0) + epsilon >= job.cpus) ?? able[0];
  }

  add(pool: PoolShape, cpus: number, weight: number): void {
    this.waiting.set(pool.name, (this.waiting.get(pool.name) ?? 0) + weight);
    this.#leftCpus.set(pool, (this.#leftCpus.get(pool) ?? 0) - cpus);
  }
}

function canRun(pool: PoolShape, job: QueuedJob): boolean {
  return pool.max > 0 && pool.runtimes.has(job.runtime) && covers(pool, job);
}
