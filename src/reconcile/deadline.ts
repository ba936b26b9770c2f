import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { afterListening } from './lateness.ts';

/** Runs `work` with a signal that fires with the given one, or after `ms`. Nothing of it is left behind afterwards. */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // Not by `AbortSignal.any`: this is called many times a second, and what that makes has to be collected as garbage.
  const limited = new AbortController();
  const onAbort = (): void => limited.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  const cancel = afterListening(clock, ms, () => limited.abort());
  try {
    return await work(limited.signal);
  } finally {
    cancel();
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * What the work gives, if it ends within `ms`. Work that takes no signal goes on when it was given up; what comes of it
 * then is for nobody. Errors: `timeout`, and the work's own.
 */
export async function giveUpAfter<T>(clock: Clock, ms: number, what: string, work: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = afterListening(clock, ms, () =>
      reject(new TidepoolError('timeout', `${what} took longer than ${ms / 1_000} s`)),
    );
    work.finally(cancel).then(resolve, reject);
  });
}
