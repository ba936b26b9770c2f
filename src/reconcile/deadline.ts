import type { Clock } from '../domain/clock.ts';

/** Runs `work` with a signal that fires with the given one, or after `ms`. Nothing of it is left behind afterwards. */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeUp = new AbortController();
  const cancel = clock.after(Math.max(0, ms), () => timeUp.abort());
  try {
    return await work(AbortSignal.any([signal, timeUp.signal]));
  } finally {
    cancel();
  }
}
