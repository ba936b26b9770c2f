import type { PoolContext } from './context.ts';

/** Time between two samples of the machines (metrics/sampler.ts). */
export const sampleMs = 1_000;
/** A machine that uses, or waits for, less than this share of a CPU has CPU to spare. An idle one uses some hundredths of it. */
export const busyCpu = 0.3;
/** A sample that is older than this says nothing of now. */
const freshMs = 5_000;

/** Returns whether a machine used or waited for a CPU just now. Without a fresh sample nothing is known: false. */
export function isBusy(
  { clock, cpuWantedSince }: Pick<PoolContext, 'clock' | 'cpuWantedSince'>,
  name: string,
): boolean {
  return (cpuWantedSince(name, clock.uptimeMs() - freshMs) ?? 0) >= busyCpu;
}
