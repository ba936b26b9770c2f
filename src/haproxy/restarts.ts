import type { Clock } from '../domain/clock.ts';
import { Backoff } from '../reconcile/backoff.ts';

/** A process that lived for longer ends a series of failures. */
const wellAfterMs = 10_000;

/** Says when something that died may be started again: at once the first time, then after longer and longer pauses. */
export class Restarts {
  readonly #clock: Clock;
  readonly #backoff = new Backoff('HAProxy', { firstPauseMs: 250, longestPauseMs: 5_000 });
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  mayTry(): boolean {
    return this.#backoff.mayTry(this.#clock.uptimeMs());
  }

  /** Notes a start. */
  noteTry(): void {
    const nowMs = this.#clock.uptimeMs();
    if (nowMs - this.#lastMs > wellAfterMs) this.#backoff.succeeded();
    this.#backoff.failed(nowMs);
    this.#lastMs = nowMs;
  }
}
