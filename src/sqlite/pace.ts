/** Statements run one after the other for at most this long before the event loop goes on. */
const sliceMs = 8;

/** Resolves when all that arrived in this turn of the event loop has been handled. */
export function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Keeps turns of the event loop short. SQLite answers at once, so a chain of statements, however long, would else run in one
 * turn, in which nobody else is served.
 */
export class Pace {
  #turnBeganAtMs: number | undefined;

  /** Resolves at once, or in the next turn when the present one has taken long. */
  async next(): Promise<void> {
    while (this.#isOver()) await endOfTurn();
  }

  #isOver(): boolean {
    const nowMs = performance.now();
    if (this.#turnBeganAtMs !== undefined) return nowMs - this.#turnBeganAtMs >= sliceMs;
    this.#turnBeganAtMs = nowMs;
    setImmediate(() => {
      this.#turnBeganAtMs = undefined;
    });
    return false;
  }
}
