import { type CpuSample, emptyMemory, type LoadSample, type PoolSnapshot, type VmSnapshot } from '../domain/scaling.ts';

/** A ready VM with one sample a second up to `nowMs`, the CPU values oldest first. */
export function sampledVm(
  name: string,
  nowMs: number,
  cpus: readonly number[],
  fields: Partial<VmSnapshot> = {},
): VmSnapshot {
  const samples: CpuSample[] = cpus.map((cpu, i) => ({ atMs: nowMs - (cpus.length - 1 - i) * 1_000, cpu }));
  return { name, state: 'ready', stateSinceMs: nowMs - 3_600_000, inFlight: 0, samples, ...fields };
}

/** So many VMs that were used the same in each of the last `seconds`. */
export function sampledVms(count: number, nowMs: number, cpu: number, seconds = 60): VmSnapshot[] {
  const cpus = new Array<number>(seconds).fill(cpu);
  return Array.from({ length: count }, (_, i) => sampledVm(`vm-${i}`, nowMs, cpus));
}

/** Loads of one a second up to `nowMs`, oldest first. */
export function loadsUntil(nowMs: number, loads: readonly number[]): LoadSample[] {
  return loads.map((load, i) => ({ atMs: nowMs - (loads.length - 1 - i) * 1_000, load }));
}

/** A pool of these VMs, all of them wanted, 0 to 100, with nothing waiting; every field may be given. */
export function poolSnapshot(vms: readonly VmSnapshot[], fields: Partial<PoolSnapshot> = {}): PoolSnapshot {
  return {
    pool: 'test',
    min: 0,
    max: 100,
    desired: vms.length,
    vms,
    backlog: { waiting: 0, perVm: 1, meanMs: null },
    loads: [],
    bootMs: null,
    memory: emptyMemory,
    ...fields,
  };
}
