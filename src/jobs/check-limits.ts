import { TidepoolError } from '../domain/errors.ts';
import type { Flavor } from '../domain/flavor.ts';
import { defaultJobLimits, type JobLimits, jobLimitRanges } from '../domain/limits.ts';

/** Memory of a VM that jobs never get: kernel, agent and their reserve. */
export const reservedMemoryBytes = 384 * 1024 ** 2;

/** The limits asked for, the rest filled in, all within their ranges and within the largest VM. Pure. */
export function checkLimits(asked: Partial<JobLimits>, flavors: readonly Flavor[]): JobLimits {
  const limits = { ...defaultJobLimits, ...asked };
  for (const name of Object.keys(jobLimitRanges) as (keyof JobLimits)[]) {
    const { min, max } = jobLimitRanges[name];
    const value = limits[name];
    // Written so that NaN fails too.
    if (!(value >= min && value <= max)) {
      throw new TidepoolError('invalid', `${name} is ${value}; it must be from ${min} to ${max}`, {
        details: { name },
      });
    }
    if (name !== 'cpus' && !Number.isInteger(value)) {
      throw new TidepoolError('invalid', `${name} is ${value}; it must be a whole number`, { details: { name } });
    }
  }
  const cpus = Math.max(...flavors.map((flavor) => flavor.vcpus));
  if (limits.cpus > cpus) {
    throw new TidepoolError('invalid', `${limits.cpus} CPUs were asked for; the largest VM has ${cpus}`);
  }
  const memoryBytes = Math.max(...flavors.map((flavor) => flavor.memoryMiB)) * 1024 ** 2 - reservedMemoryBytes;
  if (limits.memoryBytes > memoryBytes) {
    const most = Math.floor(memoryBytes / 1024 ** 2);
    throw new TidepoolError(
      'invalid',
      `${limits.memoryBytes} bytes of memory were asked for; the largest VM gives ${most} MiB`,
    );
  }
  return limits;
}
