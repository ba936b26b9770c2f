import { toTidepoolError } from '../domain/errors.ts';
import type { StorageContext } from './context.ts';

type Log = Pick<StorageContext, 'log'>;

/** Runs one part of a longer work; an error of it is logged and does not end the rest. */
export async function apart(context: Log, what: string, work: () => Promise<unknown>): Promise<void> {
  await eachApart(context, what, [work], async (run) => {
    await run();
    return true;
  });
}

/**
 * Runs the work for each, all begun in this turn; an error of one does not end the others, and all errors are one line of
 * the log. Returns those for which the work gave true.
 */
export async function eachApart<T>(
  { log }: Log,
  what: string,
  them: readonly T[],
  work: (one: T) => Promise<boolean>,
): Promise<T[]> {
  const results = await Promise.allSettled(them.map(work));
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (errors.length > 0) {
    const others = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
    log(`${what}: ${toTidepoolError(errors[0]).message}${others}`);
  }
  return them.filter((_, i) => {
    const result = results[i];
    return result?.status === 'fulfilled' && result.value;
  });
}
