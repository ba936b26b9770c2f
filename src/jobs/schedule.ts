import type { Job } from '../domain/job.ts';

/** A ready worker as the scheduler sees it. */
export interface Worker {
  readonly name: string;
  readonly runtimes: readonly string[];
  /** What no job on it has asked for. */
  readonly freeCpus: number;
  readonly freeMemoryBytes: number;
}

export interface Assignment {
  readonly jobId: string;
  readonly worker: string;
}

export interface Schedule {
  readonly assignments: readonly Assignment[];
  /** Why each other job of the queue waits, by job id. */
  readonly waiting: ReadonlyMap<string, string>;
}

/**
 * Which queued job goes to which worker now. Pure. Oldest first; a job goes to the fullest worker that has room for it
 * (pack, so that idle workers stay idle); a job without room does not hold up the ones behind it.
 */
export function schedule(queue: readonly Job[], workers: readonly Worker[]): Schedule {
  const free = workers.map((worker) => ({ ...worker }));
  const assignments: Assignment[] = [];
  const waiting = new Map<string, string>();
  for (const job of queue) {
    const fitting = free.filter((worker) => hasRoom(worker, job));
    const chosen = fitting.sort(byFreeCpus)[0];
    if (chosen === undefined) {
      waiting.set(job.id, waitReason(job, free));
      continue;
    }
    chosen.freeCpus -= job.spec.limits.cpus;
    chosen.freeMemoryBytes -= job.spec.limits.memoryBytes;
    assignments.push({ jobId: job.id, worker: chosen.name });
  }
  return { assignments, waiting };
}

/** CPUs are fractions; sums of them may miss by rounding. */
const epsilon = 1e-6;

function hasRoom(worker: Worker, job: Job): boolean {
  const { cpus, memoryBytes } = job.spec.limits;
  return (
    worker.runtimes.includes(job.spec.runtime) &&
    worker.freeCpus + epsilon >= cpus &&
    worker.freeMemoryBytes >= memoryBytes
  );
}

function byFreeCpus(a: Worker, b: Worker): number {
  return a.freeCpus - b.freeCpus || a.name.localeCompare(b.name);
}

function waitReason(job: Job, workers: readonly Worker[]): string {
  if (workers.length === 0) return 'no worker is ready';
  const { runtime, limits } = job.spec;
  const able = workers.filter((worker) => worker.runtimes.includes(runtime));
  if (able.length === 0) return `no ready worker has the runtime ${runtime}`;
  const withCpus = able.filter((worker) => worker.freeCpus + epsilon >= limits.cpus);
  if (withCpus.length === 0) return `no ready worker has ${limits.cpus} CPUs free`;
  return `no ready worker has ${Math.ceil(limits.memoryBytes / 1024 ** 2)} MiB of memory free beside the CPUs`;
}
