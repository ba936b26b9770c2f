import type { PoolSettings } from '../domain/pool.ts';
import type { LoadSample, PoolSnapshot } from '../domain/scaling.ts';
import type { Vm } from '../domain/vm.ts';
import type { Usage } from '../metrics/usage.ts';
import { unsampled } from './missing.ts';

export interface Observation {
  readonly pool: string;
  readonly settings: PoolSettings;
  readonly desired: number;
  readonly vms: readonly Vm[];
  readonly backlog: PoolSnapshot['backlog'];
  readonly bootMs: number | null;
  /** How far back the policies look at samples. */
  readonly windowMs: number;
  /** Jobs or requests that a VM works on now; null when that is not known. */
  inFlight(vm: Vm): number | null;
  /** What it used after this time. */
  usages(vm: string, sinceMs: number): readonly Usage[];
}

/** A snapshot without what the autoscaler itself keeps. */
export type Seen = Omit<PoolSnapshot, 'memory' | 'loads'>;

/** What the planner looks at, from what the parts know. Pure. */
export function snapshotOf(seen: Observation, nowMs: number): Seen {
  const vms = seen.vms.filter((vm) => vm.pool === seen.pool);
  return {
    pool: seen.pool,
    min: seen.settings.min,
    max: seen.settings.max,
    desired: seen.desired,
    vms: vms.map((vm) => {
      // A time to come was left by a clock that was set back; the VM has been in its state since long before.
      const stateSinceMs = vm.stateSinceMs > nowMs ? 0 : vm.stateSinceMs;
      return {
        name: vm.name,
        state: vm.state,
        stateSinceMs,
        inFlight: seen.inFlight(vm),
        // CPU of the boot says nothing of the load. Samples that no policy looks at would be much to read each second.
        samples: vm.state === 'ready' ? seen.usages(vm.name, Math.max(stateSinceMs, nowMs - seen.windowMs)) : [],
      };
    }),
    backlog: seen.backlog,
    bootMs: seen.bootMs,
  };
}

/**
 * The load of this moment in VMs' worth: what the VMs use, and the queue behind them. Undefined while it is not known: a VM
 * in service has no fresh sample, or it is not known what waits. Pure.
 */
export function loadNow({ vms, backlog }: Seen, nowMs: number): LoadSample | undefined {
  if (backlog.waiting === null || unsampled(vms, nowMs, 0).length > 0) return undefined;
  let used = 0;
  for (const vm of vms) used += vm.samples.at(-1)?.cpu ?? 0;
  return { atMs: nowMs, load: used + backlog.waiting / backlog.perVm };
}
