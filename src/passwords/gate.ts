import { TidepoolError } from '../domain/errors.ts';

/** Lets `atOnce` pieces of work run at a time and `maxWaiting` wait for their turn, first come, first served. */
export class Gate {
  readonly #atOnce: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(atOnce: number, maxWaiting: number) {
    this.#atOnce = atOnce;
    this.#maxWaiting = maxWaiting;
  }

  /** Errors: `exhausted` when too many wait, and those of the work. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#atOnce) this.#running += 1;
    else await this.#turn();
    try {
      return await work();
    } finally {
      // The place goes on to the next in the line, so nobody who comes later gets between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= this.#maxWaiting) {
      throw new TidepoolError('exhausted', 'too many passwords are being checked; try again in a few seconds', {
        details: { retryAfterSeconds: 5 },
      });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
