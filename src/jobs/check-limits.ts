import { TidepoolError } from '../domain/errors.ts';
import type { Flavor } from '../domain/flavor.ts';
import { defaultJobLimits, heldDiskBytes, type JobLimits, jobLimitRanges } from '../domain/limits.ts';
import { agentSlots } from '../protocol/agent.ts';
import { covers, type Resources } from './resources.ts';
import type { UserRules } from './rules.ts';

const MiB = 1024 ** 2;
/** Memory of a VM that jobs never get: kernel, agent and their reserve. */
const reservedMemoryBytes = 384 * MiB;
/** Disk of a VM that jobs never get: the guest's system, the file system's own tables, and a reserve. */
const reservedDisk = { bytes: 512 * MiB, share: 0.03 } as const;

/** What jobs surely get of such a VM, before one has booted and said so. */
export function flavorHolds({ vcpus, memoryMiB, diskGiB }: Flavor): Resources {
  return {
    cpus: vcpus,
    memoryBytes: memoryMiB * MiB - reservedMemoryBytes,
    diskBytes: Math.floor(diskGiB * 1024 * MiB * (1 - reservedDisk.share)) - reservedDisk.bytes,
    slots: agentSlots,
  };
}

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
  const vms = flavors.map(flavorHolds);
  const diskBytes = heldDiskBytes(limits);
  refuseAbove(limits.memoryBytes, Math.max(...vms.map((vm) => vm.memoryBytes)), 'of memory were');
  refuseAbove(diskBytes, Math.max(...vms.map((vm) => vm.diskBytes)), 'of disk, twice the output included, were');
  if (vms.some((vm) => covers(vm, { ...limits, diskBytes }))) return limits;
  throw new TidepoolError(
    'invalid',
    'no size of VM has as many CPUs, as much memory and as much disk as were asked for',
  );
}

function refuseAbove(askedBytes: number, mostBytes: number, what: string): void {
  if (askedBytes <= mostBytes) return;
  const most = Math.floor(mostBytes / MiB);
  throw new TidepoolError('invalid', `${askedBytes} bytes ${what} asked for; the largest VM gives ${most} MiB`);
}

/** Refuses what a limit of its owner would keep waiting for ever. Error: `invalid`. */
export function checkUserRules(owner: string, { cpus }: JobLimits, { maxCpus, maxRunning }: UserRules): void {
  if (maxRunning < 1)
    throw new TidepoolError('invalid', `${owner} may have no jobs running (maxRunning is ${maxRunning})`);
  if (cpus <= maxCpus) return;
  throw new TidepoolError(
    'invalid',
    `${cpus} CPUs were asked for; the jobs of ${owner} may have ${maxCpus} at one time (maxCpus)`,
    { details: { maxCpus } },
  );
}
