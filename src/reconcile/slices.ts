import type { Clock } from '../domain/clock.ts';

/** Everybody else waits while a slice of work runs. */
const sliceMs = 8;

/** Judges when a stretch of work has kept the event loop busy for long enough. */
export class Slice {
  readonly #uptimeMs: () => number;
  #beganAtMs: number | undefined;

  /** @param uptimeMs steady time in milliseconds */
  constructor(uptimeMs: () => number) {
    this.#uptimeMs = uptimeMs;
  }

  get hasBegun(): boolean {
    return this.#beganAtMs !== undefined;
  }

  get isOver(): boolean {
    return this.#beganAtMs !== undefined && this.#uptimeMs() - this.#beganAtMs >= sliceMs;
  }

  begin(): void {
    this.#beganAtMs = this.#uptimeMs();
  }

  /** The event loop goes on. */
  end(): void {
    this.#beganAtMs = undefined;
  }
}

/**
 * Runs long work to its end in slices of some milliseconds, between which the event loop goes on. Returns the result of the
 * work.
 * @param work yields wherever it may be interrupted
 */
export async function inSlices<T>(clock: Clock, work: Iterator<unknown, T, undefined>): Promise<T> {
  const slice = begun(clock);
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    if (slice.isOver) await next(clock, slice);
  }
}

/** Yields the values one by one, and lets the event loop go on whenever making and using them has taken a slice of time. */
export async function* sliced<T>(clock: Clock, values: Iterable<T>): AsyncGenerator<T, void> {
  const slice = begun(clock);
  for (const value of values) {
    yield value;
    if (slice.isOver) await next(clock, slice);
  }
}

function begun(clock: Clock): Slice {
  const slice = new Slice(() => clock.uptimeMs());
  slice.begin();
  return slice;
}

async function next(clock: Clock, slice: Slice): Promise<void> {
  await clock.sleep(0);
  slice.begin();
}

/** Runs long work to its end at once. Returns its result. */
export function atOnce<T>(work: Iterator<unknown, T, undefined>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}
