import { setTimeout as sleep } from 'node:timers/promises';

/** The work of one measurement. */
export interface Load {
  readonly jobs: number;
  /** Submissions that are under way at one time; each waits until it is told that its job is safe. */
  readonly atOnce: number;
  readonly signal: AbortSignal;
}

/**
 * Jobs a second, from before the first is submitted until none is left.
 * @param left how many have not ended, as the database has it
 */
export async function perSecond(
  { jobs, atOnce, signal }: Load,
  submit: (index: number) => Promise<void>,
  left: () => Promise<number>,
): Promise<number> {
  const startedAtMs = performance.now();
  let next = 0;
  const submitter = async (): Promise<void> => {
    for (let i = next++; i < jobs; i = next++) {
      signal.throwIfAborted();
      await submit(i);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, submitter));
  while ((await left()) > 0) {
    signal.throwIfAborted();
    await sleep(2);
  }
  return (jobs / (performance.now() - startedAtMs)) * 1_000;
}
