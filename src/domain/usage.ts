import type { JobLimits } from './limits.ts';

/**
 * What a user has had of the CPUs, older use counting less: after one half-life it counts half. Jobs are charged for what
 * they ask for and hold, not for what they make of it, since nobody else can have it meanwhile.
 */
export interface Usage {
  /** CPU milliseconds as of `atMs`. */
  readonly cpuMs: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

export const defaultHalfLifeMs = 24 * 3_600_000;

/** Who asks for more memory than this per CPU is charged for the CPUs that the memory would have served. */
const memoryPerCpuBytes = 2 * 1024 ** 3;

/** What a job is charged per time, in CPUs: by the CPUs or the memory that it holds, whichever is more. */
export function chargedCpus({ cpus, memoryBytes }: Pick<JobLimits, 'cpus' | 'memoryBytes'>): number {
  return Math.max(cpus, memoryBytes / memoryPerCpuBytes);
}

/** What a usage counts now, in CPU milliseconds. */
export function decayed(usage: Usage, nowMs: number, halfLifeMs: number): number {
  return usage.cpuMs * 2 ** (-Math.max(0, nowMs - usage.atMs) / halfLifeMs);
}

/** What holding so many CPUs from `sinceMs` until now counts now, in CPU milliseconds: the integral of what decays. */
export function held(cpus: number, sinceMs: number, nowMs: number, halfLifeMs: number): number {
  const lifeMs = halfLifeMs / Math.LN2;
  return cpus * lifeMs * -Math.expm1(-Math.max(0, nowMs - sinceMs) / lifeMs);
}
