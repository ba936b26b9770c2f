import { jobLimitRanges } from '../domain/limits.ts';
import type { QueuedJob } from '../domain/queue.ts';
import { covers, epsilon, heldBy, minus, plus, type Resources } from './resources.ts';

/** A ready worker as the scheduler sees it: what all jobs on it together may hold. */
export interface Worker extends Resources {
  readonly name: string;
  readonly runtimes: readonly string[];
  readonly held: readonly Held[];
  /** Ids of jobs that it could not run and does not get again; none unless given. */
  readonly excluded?: ReadonlySet<string>;
}

/** Maximum time that a job takes beyond its time limit to be sent, started, stopped and brought home. */
export const overheadMs = 30_000;

/** What one job on a worker holds, and until when at the latest. */
export interface Held extends Resources {
  readonly untilMs: number;
}

type Need = Pick<QueuedJob, 'id' | 'runtime' | 'cpus' | 'memoryBytes' | 'diskBytes'>;

/** Room for one more job is kept at `atMs`; what is left beside it then may be given away. */
interface Reservation {
  readonly atMs: number;
  spare: Resources;
}

/**
 * The room on one worker while a schedule is made. A waiting job may reserve it (EASY backfill, after Lifka's scheduler
 * for the SP2): by their time limits it is known when the jobs on the worker will have ended at the latest, and until
 * then only such jobs get on it as will have ended too, or that leave enough beside them.
 */
export class Room {
  readonly worker: Worker;
  readonly #workerKind: string;
  #kind: string | undefined;
  #free: Resources;
  /** Ordered by when they end. */
  readonly #held: Held[];
  #reservation: Reservation | undefined;

  constructor(worker: Worker) {
    this.worker = worker;
    const { runtimes, cpus, memoryBytes, diskBytes, slots } = worker;
    const excluded = worker.excluded === undefined ? '' : [...worker.excluded].join();
    this.#workerKind = `${runtimes.join()} ${cpus} ${memoryBytes} ${diskBytes} ${slots} ${excluded}`;
    this.#held = worker.held.length > 1 ? worker.held.toSorted((a, b) => a.untilMs - b.untilMs) : [...worker.held];
    this.#free = worker.held.reduce<Resources>(minus, worker);
  }

  get freeCpus(): number {
    return this.#free.cpus;
  }

  /** All that `accepts` and `isAble` look at but the reservation: rooms of which this is equal accept the same jobs. */
  get kind(): string {
    const { cpus, memoryBytes, diskBytes, slots } = this.#free;
    this.#kind ??= `${this.#workerKind} ${cpus} ${memoryBytes} ${diskBytes} ${slots}`;
    return this.#kind;
  }

  get isReserved(): boolean {
    return this.#reservation !== undefined;
  }

  /** Not even the smallest job would find room. */
  get isFull(): boolean {
    const { cpus, memoryBytes, diskBytes } = jobLimitRanges;
    return !covers(this.#free, { cpus: cpus.min, memoryBytes: memoryBytes.min, diskBytes: diskBytes.min });
  }

  /** Whether the worker could run the job if nothing else were on it. */
  isAble(job: Need): boolean {
    return this.worker.runtimes.includes(job.runtime) && covers(this.worker, job);
  }

  /** Whether the worker could not run the job before. */
  isExcluded(job: Pick<Need, 'id'>): boolean {
    return this.worker.excluded?.has(job.id) === true;
  }

  hasCpus(cpus: number): boolean {
    return this.#free.cpus + epsilon >= cpus;
  }

  /** What is free now, be it reserved or not. */
  get free(): Resources {
    return this.#free;
  }

  /** Whether there is room now, be it reserved or not. */
  hasRoom(job: Need): boolean {
    return this.isAble(job) && !this.isExcluded(job) && covers(this.#free, job);
  }

  /** Whether the job may have the room that there is, when it ends at `untilMs`. */
  accepts(job: Need, untilMs: number): boolean {
    return this.hasRoom(job) && (this.#endsBefore(untilMs) || this.#sparesFor(job));
  }

  take(job: Need, untilMs: number): void {
    const held = heldBy(job);
    this.#free = minus(this.#free, held);
    this.#kind = undefined;
    const after = this.#held.findIndex((other) => other.untilMs > untilMs);
    this.#held.splice(after === -1 ? this.#held.length : after, 0, { ...held, untilMs });
    if (this.#reservation === undefined || this.#endsBefore(untilMs)) return;
    this.#reservation.spare = minus(this.#reservation.spare, held);
  }

  /** When there will be room for the job, at the latest. The worker is able to run it. */
  roomAtMs(job: Need, nowMs: number): number {
    let free = this.#free;
    let atMs = nowMs;
    for (const held of this.#held) {
      if (covers(free, job)) break;
      free = plus(free, held);
      atMs = Math.max(atMs, held.untilMs);
    }
    return atMs;
  }

  /** Keeps room for the job from `atMs` on. One at a time. */
  reserve(job: Need, atMs: number): void {
    const staying = this.#held.filter((held) => held.untilMs > atMs);
    this.#reservation = { atMs, spare: [...staying, heldBy(job)].reduce<Resources>(minus, this.worker) };
  }

  #endsBefore(untilMs: number): boolean {
    return this.#reservation === undefined || untilMs <= this.#reservation.atMs;
  }

  #sparesFor(job: Need): boolean {
    return this.#reservation === undefined || covers(this.#reservation.spare, job);
  }
}
