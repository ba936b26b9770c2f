import type { QueuedJob } from '../domain/queue.ts';
import { shareOf, type UserQueue } from './fairness.ts';

/** One user while a schedule is made: what he has been given so far, and the job that is next. */
export class Turn {
  readonly queue: UserQueue;
  #share: number;
  #running: number;
  #cpus: number;
  #at = 0;

  constructor(queue: UserQueue) {
    this.queue = queue;
    this.#share = queue.share;
    this.#running = queue.running;
    this.#cpus = queue.cpus;
  }

  get share(): number {
    return this.#share;
  }

  get running(): number {
    return this.#running;
  }

  get cpus(): number {
    return this.#cpus;
  }

  get job(): QueuedJob | undefined {
    return this.queue.jobs[this.#at];
  }

  /** The jobs from the present one on. */
  get rest(): readonly QueuedJob[] {
    return this.queue.jobs.slice(this.#at);
  }

  /** Goes on to the next job. */
  pass(): void {
    this.#at += 1;
  }

  /** The job counts as one that runs. */
  count(job: QueuedJob): void {
    this.#share += shareOf(job, this.queue.rules);
    this.#running += 1;
    this.#cpus += job.cpus;
  }
}

/** Users in the order of their turns: the smallest share first, then by name. */
export class Turns {
  /** The next one last. */
  readonly #turns: Turn[];

  constructor(turns: readonly Turn[]) {
    this.#turns = turns.toSorted((a, b) => compare(b, a));
  }

  next(): Turn | undefined {
    return this.#turns.pop();
  }

  add(turn: Turn): void {
    let low = 0;
    let high = this.#turns.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#turns[middle];
      if (other !== undefined && compare(other, turn) > 0) low = middle + 1;
      else high = middle;
    }
    this.#turns.splice(low, 0, turn);
  }
}

function compare(a: Turn, b: Turn): number {
  if (a.share !== b.share) return a.share - b.share;
  return a.queue.name < b.queue.name ? -1 : 1;
}
