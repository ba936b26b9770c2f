import type { AttemptLimits } from '../protocol/agent.ts';

const MiB = 1024 * 1024;

/** What the VM has. */
export interface MachineFacts {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/**
 * What jobs together may use. The rest is for the kernel, init and the agent, which must answer while jobs use all
 * that they may: under a memory bomb in a VM of 1 GiB the agent and the kernel together stay below 150 MiB.
 */
export function jobCapacity(machine: MachineFacts): MachineFacts {
  const memoryReserve = 160 * MiB + machine.memoryBytes * 0.03;
  const diskReserve = 256 * MiB + machine.diskBytes * 0.02;
  return {
    cpus: machine.cpus,
    memoryBytes: Math.max(64 * MiB, Math.floor(machine.memoryBytes - memoryReserve)),
    diskBytes: Math.max(64 * MiB, Math.floor(machine.diskBytes - diskReserve)),
  };
}

/** The agent's own cgroup: kept from reclaim, and served before jobs when the CPU is short. */
export const agentCgroupSettings: Readonly<Record<string, string>> = {
  'memory.min': String(96 * MiB),
  'cpu.weight': '10000',
};

/** The cgroup above all jobs. */
export function jobsCgroupSettings(capacity: MachineFacts): Readonly<Record<string, string>> {
  return {
    'cgroup.subtree_control': '+cpu +memory +pids',
    'memory.max': String(capacity.memoryBytes),
    'memory.swap.max': '0',
    'cpu.weight': '100',
    // The kernel's own limit is 32,768 process ids in a small guest; the agent's children need some.
    'pids.max': '30000',
  };
}

/** crun itself and the init process of the container count as well. */
const ownProcesses = 2;
const cpuPeriodUs = 100_000;

/**
 * The cgroup of one attempt. When its memory runs out the whole container goes at once; swap it has none, as all jobs
 * together have none.
 */
export function attemptCgroupSettings(
  limits: Pick<AttemptLimits, 'cpus' | 'memoryBytes' | 'processes'>,
  machineCpus: number,
): Readonly<Record<string, string>> {
  const quotaUs = Math.max(1_000, Math.round(limits.cpus * cpuPeriodUs));
  return {
    'memory.max': String(Math.floor(limits.memoryBytes)),
    'memory.oom.group': '1',
    'pids.max': String(limits.processes + ownProcesses),
    ...(limits.cpus >= machineCpus ? {} : { 'cpu.max': `${quotaUs} ${cpuPeriodUs}` }),
  };
}

const serviceProcesses = 1_024;

/**
 * The cgroup of one service: all that jobs may have together, because its VM has nothing else to do. When memory runs out
 * only the process that uses most of it goes, and the service's other processes answer on.
 */
export function serviceCgroupSettings(capacity: MachineFacts): Readonly<Record<string, string>> {
  return {
    'memory.max': String(capacity.memoryBytes),
    'pids.max': String(serviceProcesses + ownProcesses),
  };
}

/** A project quota, in the units that setquota takes. */
export interface DiskQuota {
  readonly blocksKiB: number;
  readonly inodes: number;
}

/** Files and folders cost inodes; ext4 has one per 16 KiB of disk, and small limits still allow a usual folder. */
export function diskQuota(diskBytes: number): DiskQuota {
  return { blocksKiB: Math.ceil(diskBytes / 1024), inodes: Math.max(20_000, Math.ceil(diskBytes / (16 * 1024))) };
}
