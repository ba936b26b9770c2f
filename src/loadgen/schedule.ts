/**
 * When requests are due: the first at the start, then one each `everyMs`. Times are computed from the start, so they do
 * not drift, and never depend on answers.
 */
export class Schedule {
  readonly everyMs: number;
  readonly #startMs: number;
  #taken = 0;

  /** @param startMs ms since 1970  @param everyMs above 0 */
  constructor(startMs: number, everyMs: number) {
    this.#startMs = startMs;
    this.everyMs = everyMs;
  }

  /** When the next request is due. */
  get nextMs(): number {
    return this.#startMs + this.#taken * this.everyMs;
  }

  /** Takes the next request; gives when it was due. */
  take(): number {
    const dueMs = this.nextMs;
    this.#taken += 1;
    return dueMs;
  }
}
