import type { Clock } from '../domain/clock.ts';

const firstPauseMs = 250;
const longestPauseMs = 5_000;
/** One that lived so long ends a series of failures. */
const wellAfterMs = 10_000;

/** Says when something that died may be started again: at once the first time, then after longer and longer pauses. */
export class Restarts {
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;
  #pauseMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  mayTry(): boolean {
    return this.#clock.now() - this.#lastMs >= this.#pauseMs;
  }

  /** To be told of each start. */
  noteTry(): void {
    const now = this.#clock.now();
    const isFirst = now - this.#lastMs > wellAfterMs;
    this.#pauseMs = isFirst ? firstPauseMs : Math.min(this.#pauseMs * 2, longestPauseMs);
    this.#lastMs = now;
  }
}
