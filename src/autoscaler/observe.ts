import type { Job } from '../domain/job.ts';
import type { PoolSettings } from '../domain/pool.ts';
import type { LoadSample, PoolSnapshot } from '../domain/scaling.ts';
import type { Vm } from '../domain/vm.ts';
import type { Usage } from '../metrics/usage.ts';

export interface Observation {
  readonly pool: string;
  readonly settings: PoolSettings;
  readonly desired: number;
  readonly vms: readonly Vm[];
  readonly activeJobs: readonly Job[];
  readonly queuedJobs: number;
  /** Mean run time of jobs that ended lately; null before the first. */
  readonly meanJobMs: number | null;
  readonly bootMs: number | null;
  readonly loads: readonly LoadSample[];
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
      inFlight: seen.activeJobs.filter((job) => job.vmName === vm.name).length,
      // CPU of the boot says nothing of the load.
      samples: seen.usages(vm.name).filter((usage) => vm.state === 'ready' && usage.atMs > vm.stateSinceMs),
    })),
    backlog: { waiting: seen.queuedJobs, perVm: jobsPerVm(vms), meanMs: seen.meanJobMs },
    loads: seen.loads,
    bootMs: seen.bootMs,
  };
}

/** Default jobs ask for one CPU each. */
function jobsPerVm(vms: readonly Vm[]): number {
  const capacities = vms.flatMap((vm) => (vm.capacity === null ? [] : [vm.capacity.cpus]));
  return Math.max(1, Math.floor(Math.max(1, ...capacities)));
}

/** The load of this moment in VMs' worth: what the VMs use, and the queue behind them. Pure. */
export function loadNow(snapshot: Omit<PoolSnapshot, 'memory' | 'loads'>, nowMs: number): LoadSample {
  let used = 0;
  for (const vm of snapshot.vms) used += vm.samples.at(-1)?.cpu ?? 0;
  return { atMs: nowMs, load: used + snapshot.backlog.waiting / snapshot.backlog.perVm };
}
