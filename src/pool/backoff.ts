const firstPauseMs = 1_000;
const longestPauseMs = 30_000;

/** Pause before the next try after tries that failed in a row: 1, 2, 4 ... 30 seconds. Pure but for its count. */
export class Backoff {
  #failures = 0;
  #notBeforeMs = 0;

  succeeded(): void {
    this.#failures = 0;
    this.#notBeforeMs = 0;
  }

  failed(nowMs: number): void {
    this.#notBeforeMs = nowMs + Math.min(longestPauseMs, firstPauseMs * 2 ** this.#failures);
    this.#failures += 1;
  }

  mayTry(nowMs: number): boolean {
    return nowMs >= this.#notBeforeMs;
  }
}
