import type { Vm } from '../domain/vm.ts';

/** What a pool should be. */
export interface Wanted {
  /** VMs in service. */
  readonly desired: number;
  /** VMs booted and paused beside them. */
  readonly warm: number;
  /** VMs that may be on their way up at one time. */
  readonly maxParallelLaunches: number;
  /** A VM is not taken out of service before it has served this long. */
  readonly minLifetimeMs: number;
  /** False while launches fail in a row, or too many VMs are unhealthy. */
  readonly mayLaunch: boolean;
}

/** A VM with what the pool must know to steer it. */
export interface SteeredVm extends Pick<Vm, 'name' | 'state' | 'stateSinceMs' | 'createdAtMs'> {
  /** Jobs on it. */
  readonly jobs: number;
  /** It lacks something that a new VM would have, e.g. a runtime. */
  readonly isOutdated: boolean;
  /** An operator wants it gone, whatever the pool's size. */
  readonly isUnwanted: boolean;
}

export type PoolAction = { readonly kind: 'launch' } | MoveAction;

/** A step on a VM that is there. */
export interface MoveAction {
  readonly kind: 'undrain' | 'resume' | 'drain' | 'park' | 'stop';
  readonly name: string;
  readonly why: string;
}

/** A VM that has come into service is left the host's CPU for so long. */
const settleMs = 3_000;

/**
 * The next steps from what a pool is to what it should be. Pure; every step is safe to be taken late or twice.
 * Growing takes what is nearest: a drain is cancelled, then a warm VM resumed, then one launched. Shrinking drains idle
 * VMs first, then the youngest; what is drained goes to the warm pool if that has room.
 */
export function steer(vms: readonly SteeredVm[], wanted: Wanted, nowMs: number): PoolAction[] {
  const of = (state: Vm['state']): SteeredVm[] => vms.filter((vm) => vm.state === state);
  const isKept = (vm: SteeredVm): boolean => !vm.isOutdated && !vm.isUnwanted;
  const ready = of('ready');
  const actions: PoolAction[] = [];

  const undrained = of('draining').filter(isKept).sort(byJobs).reverse();
  const shortage = Math.max(0, wanted.desired - ready.length);
  const back = undrained.slice(0, shortage);
  for (const { name } of back) actions.push({ kind: 'undrain', name, why: 'it is wanted again' });
  const warm = of('warm').filter(isKept);
  const resumed = warm.slice(0, shortage - back.length);
  for (const { name } of resumed) actions.push({ kind: 'resume', name, why: 'the pool grows' });

  const stillShort = shortage - back.length - resumed.length;
  const coming = [...of('creating'), ...of('booting')];
  const warmLeft = warm.length - resumed.length;
  const warmShort = Math.max(0, wanted.warm - warmLeft);
  const leaving = of('draining').filter((vm) => !back.includes(vm));
  const done = leaving.filter((vm) => vm.jobs === 0);
  // What comes already serves the shortage first; a drained VM is warm sooner than a new one.
  const parkRoom = Math.max(0, warmShort - Math.max(0, coming.length - stillShort));
  const parked = done.filter(isKept).slice(0, parkRoom);
  for (const vm of done) {
    const parks = parked.includes(vm);
    actions.push({
      kind: parks ? 'park' : 'stop',
      name: vm.name,
      why: parks ? 'it is kept warm' : 'its drain is over',
    });
  }

  const drained = drains(ready, wanted, nowMs);
  actions.push(...drained);
  // Those that drain will be warm when they are done: nothing is launched in their place.
  const soonWarm = [...leaving, ...ready.filter((vm) => drained.some((one) => one.name === vm.name))].filter(isKept);
  // A boot takes much CPU: what has just come into service gets it first, and the warm pool is refilled a moment later.
  const isSettling = resumed.length > 0 || ready.some((vm) => nowMs - vm.stateSinceMs < settleMs);
  const needed = stillShort + Math.max(0, warmShort - soonWarm.length);
  const neededNow = isSettling ? stillShort : needed;
  const launches = wanted.mayLaunch ? Math.min(neededNow, wanted.maxParallelLaunches) - coming.length : 0;
  for (let i = 0; i < launches; i += 1) actions.push({ kind: 'launch' });
  actions.push(...surplusComing(of('booting'), coming.length - needed));
  const tooWarm = Math.max(0, warmLeft - wanted.warm);
  for (const { name } of warm.slice(warm.length - tooWarm))
    actions.push({ kind: 'stop', name, why: 'it is not wanted warm' });
  for (const vm of of('warm'))
    if (!isKept(vm)) actions.push({ kind: 'stop', name: vm.name, why: 'another takes its place' });
  return actions;
}

function surplusComing(booting: readonly SteeredVm[], surplus: number): PoolAction[] {
  const newest = [...booting].sort((a, b) => b.createdAtMs - a.createdAtMs);
  return newest
    .slice(0, Math.max(0, surplus))
    .map(({ name }) => ({ kind: 'stop', name, why: 'it is not wanted any more' }));
}

function drains(ready: readonly SteeredVm[], wanted: Wanted, nowMs: number): MoveAction[] {
  const actions: MoveAction[] = [];
  for (const vm of ready)
    if (vm.isUnwanted) actions.push({ kind: 'drain', name: vm.name, why: 'an operator asked for it' });
  const surplus = ready.length - actions.length - wanted.desired;
  const mayGo = ready.filter((vm) => !vm.isUnwanted && nowMs - vm.stateSinceMs >= wanted.minLifetimeMs).sort(byJobs);
  for (const { name } of mayGo.slice(0, Math.max(0, surplus))) {
    actions.push({ kind: 'drain', name, why: 'the pool wants fewer VMs' });
  }
  // One a time, so that a change that reaches all of them never takes the pool down.
  const outdated = ready.find((vm) => vm.isOutdated && vm.jobs === 0);
  if (actions.length === 0 && outdated !== undefined) {
    actions.push({ kind: 'drain', name: outdated.name, why: 'it lacks a runtime; another takes its place' });
  }
  return actions;
}

/** Idle ones first; among equals the youngest. */
function byJobs(a: SteeredVm, b: SteeredVm): number {
  return a.jobs - b.jobs || b.createdAtMs - a.createdAtMs || a.name.localeCompare(b.name);
}
