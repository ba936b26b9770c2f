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

const limitWords: Readonly<Record<keyof JobLimits, string>> = {
  cpus: 'the number of CPUs',
  memoryBytes: 'the limit of memory',
  processes: 'the limit of processes',
  diskBytes: 'the limit of disk',
  outputBytes: 'the limit of output',
  timeoutMs: 'the limit of time',
};

const units = [
  ['GiB', 1024 ** 3],
  ['MiB', MiB],
  ['KiB', 1024],
] as const;

/** Bytes in the largest unit of which they are a whole number; times in seconds if they are whole. */
function inUnits(name: keyof JobLimits, value: number): string {
  if (name === 'timeoutMs') return value % 1_000 === 0 ? `${value / 1_000} s` : `${value} ms`;
  if (!name.endsWith('Bytes')) return String(value);
  const unit = units.find(([, bytes]) => value !== 0 && value % bytes === 0);
  return unit === undefined ? `${value} bytes` : `${value / unit[1]} ${unit[0]}`;
}

/** The limits asked for, the rest filled in, all within their ranges and within the largest VM. Pure. */
export function checkLimits(asked: Partial<JobLimits>, flavors: readonly Flavor[]): JobLimits {
  const limits = { ...defaultJobLimits, ...asked };
  for (const name of Object.keys(jobLimitRanges) as (keyof JobLimits)[]) {
    const { min, max } = jobLimitRanges[name];
    const value = limits[name];
    // Written so that NaN fails too.
    if (!(value >= min && value <= max)) {
      const text = `${limitWords[name]} (${name}) is ${inUnits(name, value)}; it must be from ${inUnits(name, min)} to ${inUnits(name, max)}`;
      throw new TidepoolError('invalid', text, { details: { name } });
    }
    if (name !== 'cpus' && !Number.isInteger(value)) {
      const text = `${limitWords[name]} (${name}) is ${value}; it must be a whole number`;
      throw new TidepoolError('invalid', text, { details: { name } });
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
