import type { PoolSettings } from '../domain/pool.ts';
import type { LoadSample, PoolSnapshot } from '../domain/scaling.ts';
import type { Vm } from '../domain/vm.ts';
import type { Usage } from '../metrics/usage.ts';

export interface Observation {
  readonly pool: string;
  readonly settings: PoolSettings;
  readonly desired: number;
  readonly vms: readonly Vm[];
  readonly backlog: PoolSnapshot['backlog'];
  readonly bootMs: number | null;
  readonly loads: readonly LoadSample[];
  /** Jobs or requests that a VM works on now. */
  inFlight(vm: Vm): number;
  usages(vm: string): readonly Usage[];
}

/** What the planner looks at, from what the parts know. Pure. */
export function snapshotOf(seen: Observation): Omit<PoolSnapshot, 'memory'> {
  const vms = seen.vms.filter((vm) => vm.pool === seen.pool);
  return {
    pool: seen.pool,
    min: seen.settings.min,
    max: seen.settings.max,
    desired: seen.desired,
    vms: vms.map((vm) => ({
      name: vm.name,
      state: vm.state,
      stateSinceMs: vm.stateSinceMs,
      inFlight: seen.inFlight(vm),
      // CPU of the boot says nothing of the load.
      samples: seen.usages(vm.name).filter((usage) => vm.state === 'ready' && usage.atMs > vm.stateSinceMs),
    })),
    backlog: seen.backlog,
    loads: seen.loads,
    bootMs: seen.bootMs,
  };
}

/** How many jobs such VMs take at a time: default jobs ask for one CPU each. */
export function jobsPerVm(vms: readonly Vm[]): number {
  const capacities = vms.flatMap((vm) => (vm.capacity === null ? [] : [vm.capacity.cpus]));
  return Math.max(1, Math.floor(Math.max(1, ...capacities)));
}

/** The load of this moment in VMs' worth: what the VMs use, and the queue behind them. Pure. */
export function loadNow(snapshot: Omit<PoolSnapshot, 'memory' | 'loads'>, nowMs: number): LoadSample {
  let used = 0;
  for (const vm of snapshot.vms) used += vm.samples.at(-1)?.cpu ?? 0;
  return { atMs: nowMs, load: used + snapshot.backlog.waiting / snapshot.backlog.perVm };
}
