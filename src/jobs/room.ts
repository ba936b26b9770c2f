import { jobLimitRanges } from '../domain/limits.ts';
import type { QueuedJob } from '../domain/queue.ts';

/** A ready worker as the scheduler sees it. */
export interface Worker {
  readonly name: string;
  readonly runtimes: readonly string[];
  /** What all jobs on it together may hold. */
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly held: readonly Held[];
  /** Ids of jobs that it could not run and does not get again; none unless given. */
  readonly excluded?: ReadonlySet<string>;
}

/** What one job on a worker holds, and until when at the latest. */
export interface Held {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly untilMs: number;
}

type Need = Pick<QueuedJob, 'id' | 'runtime' | 'cpus' | 'memoryBytes'>;

/** CPUs are fractions; sums of them may miss by rounding. */
export const epsilon = 1e-6;

/** Room for one more job is kept at `atMs`; what is left beside it then may be given away. */
interface Reservation {
  readonly atMs: number;
  spareCpus: number;
  spareMemoryBytes: number;
}

/**
 * The room on one worker while a schedule is made. A waiting job may reserve it (EASY backfill, after Lifka's scheduler
 * for the SP2): by their time limits it is known when the jobs on the worker will have ended at the latest, and until
 * then only such jobs get on it as will have ended too, or that leave enough beside them.
 */
export class Room {
  readonly worker: Worker;
  readonly #workerKind: string;
  #freeCpus: number;
  #freeMemoryBytes: number;
  /** Ordered by when they end. */
  readonly #held: Held[];
  #reservation: Reservation | undefined;

  constructor(worker: Worker) {
    this.worker = worker;
    const excluded = worker.excluded === undefined ? '' : [...worker.excluded].join();
    this.#workerKind = `${worker.runtimes.join()} ${worker.cpus} ${worker.memoryBytes} ${excluded}`;
    this.#held = worker.held.length > 1 ? worker.held.toSorted((a, b) => a.untilMs - b.untilMs) : [...worker.held];
    this.#freeCpus = worker.cpus - sum(worker.held, (one) => one.cpus);
    this.#freeMemoryBytes = worker.memoryBytes - sum(worker.held, (one) => one.memoryBytes);
  }

  get freeCpus(): number {
    return this.#freeCpus;
  }

  /** What `accepts` and `isAble` look at, but for the reservation: rooms for which all of this is equal accept the same jobs. */
  get kind(): readonly (string | number)[] {
    return [this.#workerKind, this.#freeCpus, this.#freeMemoryBytes];
  }

  get isReserved(): boolean {
    return this.#reservation !== undefined;
  }

  /** Not even the smallest job would find room. */
  get isFull(): boolean {
    const { cpus, memoryBytes } = jobLimitRanges;
    return this.#freeCpus + epsilon < cpus.min || this.#freeMemoryBytes < memoryBytes.min;
  }

  /** Whether the worker could run the job if nothing else were on it. */
  isAble(job: Need): boolean {
    const { runtimes, cpus, memoryBytes } = this.worker;
    return runtimes.includes(job.runtime) && cpus + epsilon >= job.cpus && memoryBytes >= job.memoryBytes;
  }

  /** Whether the worker could not run the job before. */
  isExcluded(job: Pick<Need, 'id'>): boolean {
    return this.worker.excluded?.has(job.id) === true;
  }

  hasCpus(cpus: number): boolean {
    return this.#freeCpus + epsilon >= cpus;
  }

  /** Whether there is room now, be it reserved or not. */
  hasRoom(job: Need): boolean {
    const isAble = this.isAble(job) && !this.isExcluded(job);
    return isAble && this.hasCpus(job.cpus) && this.#freeMemoryBytes >= job.memoryBytes;
  }

  /** Whether the job may have the room that there is, when it ends at `untilMs`. */
  accepts(job: Need, untilMs: number): boolean {
    return this.hasRoom(job) && (this.#endsBefore(untilMs) || this.#sparesFor(job));
  }

  take(job: Need, untilMs: number): void {
    const { cpus, memoryBytes } = job;
    this.#freeCpus -= cpus;
    this.#freeMemoryBytes -= memoryBytes;
    const after = this.#held.findIndex((held) => held.untilMs > untilMs);
    this.#held.splice(after === -1 ? this.#held.length : after, 0, { cpus, memoryBytes, untilMs });
    if (this.#reservation === undefined || this.#endsBefore(untilMs)) return;
    this.#reservation.spareCpus -= cpus;
    this.#reservation.spareMemoryBytes -= memoryBytes;
  }

  /** When there will be room for the job, at the latest. The worker is able to run it. */
  roomAtMs(job: Need, nowMs: number): number {
    let cpus = this.#freeCpus;
    let memoryBytes = this.#freeMemoryBytes;
    let atMs = nowMs;
    for (const held of this.#held) {
      if (cpus + epsilon >= job.cpus && memoryBytes >= job.memoryBytes) break;
      cpus += held.cpus;
      memoryBytes += held.memoryBytes;
      atMs = Math.max(atMs, held.untilMs);
    }
    return atMs;
  }

  /** Keeps room for the job from `atMs` on. One at a time. */
  reserve(job: Need, atMs: number): void {
    const staying = this.#held.filter((held) => held.untilMs > atMs);
    this.#reservation = {
      atMs,
      spareCpus: this.worker.cpus - sum(staying, (one) => one.cpus) - job.cpus,
      spareMemoryBytes: this.worker.memoryBytes - sum(staying, (one) => one.memoryBytes) - job.memoryBytes,
    };
  }

  #endsBefore(untilMs: number): boolean {
    return this.#reservation === undefined || untilMs <= this.#reservation.atMs;
  }

  #sparesFor(job: Need): boolean {
    const spare = this.#reservation;
    return spare === undefined || (spare.spareCpus + epsilon >= job.cpus && spare.spareMemoryBytes >= job.memoryBytes);
  }
}

function sum(all: readonly Held[], of: (one: Held) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}
