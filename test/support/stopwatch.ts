const tickMs = 20;
/** Timers come a little late on any machine. */
const allowedMs = 100;

/**
 * Measures time, less that in which this machine stood still, as a virtual one does for seconds now and then: for limits
 * that something must keep on a machine that runs.
 */
export class Stopwatch implements Disposable {
  readonly #startedAtMs = performance.now();
  readonly #timer = setInterval(() => this.#tick(), tickMs);
  #tickedAtMs = this.#startedAtMs;
  #stoodStillMs = 0;

  /** How much of the time since the start it stood still. */
  get stoodStillMs(): number {
    this.#tick();
    return this.#stoodStillMs;
  }

  /** The rest of it. */
  get elapsedMs(): number {
    this.#tick();
    return this.#tickedAtMs - this.#startedAtMs - this.#stoodStillMs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = performance.now();
    const sinceMs = nowMs - this.#tickedAtMs;
    if (sinceMs > tickMs + allowedMs) this.#stoodStillMs += sinceMs - tickMs;
    this.#tickedAtMs = nowMs;
  }
}
