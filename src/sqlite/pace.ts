import { Slice } from '../reconcile/slices.ts';

/** Resolves when all that arrived in this turn of the event loop has been handled. */
export function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Keeps turns of the event loop short. SQLite answers at once, so a chain of statements, however long, would else run in one
 * turn, in which nobody else is served.
 */
export class Pace {
  readonly #turn = new Slice(() => performance.now());

  /** Resolves at once, or in the next turn when the present one has taken long. */
  async next(): Promise<void> {
    while (this.#isOver()) await endOfTurn();
  }

  #isOver(): boolean {
    if (!this.#turn.hasBegun) {
      this.#turn.begin();
      setImmediate(() => this.#turn.end());
    }
    return this.#turn.isOver;
  }
}
