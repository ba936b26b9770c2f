import type { Clock } from '../domain/clock.ts';

/** Everybody else waits while a slice of work runs. */
const sliceMs = 8;

/**
 * Runs long work to its end in slices of some milliseconds, between which the event loop goes on. Returns the result of the
 * work.
 * @param work yields wherever it may be interrupted
 */
export async function inSlices<T>(clock: Clock, work: Iterator<unknown, T, undefined>): Promise<T> {
  let begunAtMs = clock.uptimeMs();
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    if (clock.uptimeMs() - begunAtMs < sliceMs) continue;
    await clock.sleep(0);
    begunAtMs = clock.uptimeMs();
  }
}

/** Runs long work to its end at once. Returns its result. */
export function atOnce<T>(work: Iterator<unknown, T, undefined>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}
