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
  /** Of a booting VM: its agent has not answered; it could take work; it could be paused too. */
  readonly boot: 'going' | 'usable' | 'done';
  /** A step that brings it into service is under way. */
  readonly isEntering: boolean;
}

export type PoolAction = { readonly kind: 'launch' } | MoveAction;

/** A step on a VM that is there. */
export interface MoveAction {
  readonly kind: 'undrain' | 'enter' | 'resume' | 'drain' | 'park' | 'stop';
  readonly name: string;
  readonly why: string;
}

/** A VM that has come into service is left the host's CPU for so long. */
const settleMs = 3_000;

/**
 * The next steps from what a pool is to what it should be. Pure; every step is safe to be taken late or twice.
 * Growing takes what is nearest: a drain is cancelled, then a booted VM taken, a warm one resumed, one launched. Shrinking
 * drains idle VMs first, then the youngest; what is drained goes to the warm pool if that has room.
 */
export function steer(vms: readonly SteeredVm[], wanted: Wanted, nowMs: number): PoolAction[] {
  const entering = vms.filter((vm) => vm.isEntering && vm.state !== 'ready');
  const others = vms.filter((vm) => !entering.includes(vm));
  const of = (state: Vm['state']): SteeredVm[] => others.filter((vm) => vm.state === state);
  const ready = of('ready');
  const warm = of('warm').filter(isKept);
  const shortage = Math.max(0, wanted.desired - ready.length - entering.length);

  const back = of('draining').filter(isKept).sort(byJobs).reverse().slice(0, shortage);
  const booted = of('booting').filter((vm) => vm.boot !== 'going');
  const entered = booted.slice(0, shortage - back.length);
  const resumed = warm.slice(0, shortage - back.length - entered.length);
  const stillShort = shortage - back.length - entered.length - resumed.length;

  const warmLeft = warm.slice(resumed.length);
  const warmRoom = Math.max(0, wanted.warm - warmLeft.length);
  const bootedLeft = booted.slice(entered.length);
  const toWarm = bootedLeft.slice(0, warmRoom);
  const warmShort = warmRoom - toWarm.length;
  const coming = [...of('creating'), ...of('booting').filter((vm) => vm.boot === 'going')];
  const leaving = of('draining').filter((vm) => !back.includes(vm));
  const done = leaving.filter((vm) => vm.jobs === 0);
  // What comes already serves the shortage first; a drained VM is warm sooner than a new one.
  const parkRoom = Math.max(0, warmShort - Math.max(0, coming.length - stillShort));
  const parked = done.filter(isKept).slice(0, parkRoom);
  const drained = drains(ready, wanted, nowMs);

  // Those that drain will be warm when they are done: nothing is launched in their place.
  const soonWarm = [...leaving, ...ready.filter((vm) => drained.some((one) => one.name === vm.name))].filter(isKept);
  // A boot takes much CPU: what has just come into service gets it first, and the warm pool is refilled a moment later.
  const isSettling = resumed.length + entering.length > 0 || ready.some((vm) => nowMs - vm.stateSinceMs < settleMs);
  const needed = stillShort + Math.max(0, warmShort - soonWarm.length);
  const upTo = wanted.maxParallelLaunches - toWarm.filter((vm) => vm.boot === 'usable').length;
  const launches = Math.min(isSettling ? stillShort : needed, upTo) - coming.length;

  return [
    ...moves('undrain', back, 'it is wanted again'),
    ...moves('enter', entered, 'the pool grows'),
    ...moves('resume', resumed, 'the pool grows'),
    ...moves('park', parked, 'it is kept warm'),
    ...moves('stop', without(done, parked), 'its drain is over'),
    ...drained,
    ...(wanted.mayLaunch ? new Array<PoolAction>(Math.max(0, launches)).fill({ kind: 'launch' }) : []),
    ...moves(
      'park',
      toWarm.filter((vm) => vm.boot === 'done'),
      'it is kept warm',
    ),
    ...moves('stop', surplus(coming, coming.length - needed), 'it is not wanted any more'),
    ...moves('stop', bootedLeft.slice(toWarm.length), 'it is not wanted any more'),
    ...moves('stop', warmLeft.slice(wanted.warm), 'it is not wanted warm'),
    ...moves('stop', without(of('warm'), warm), 'another takes its place'),
  ];
}

function isKept(vm: SteeredVm): boolean {
  return !vm.isOutdated && !vm.isUnwanted;
}

function moves(kind: MoveAction['kind'], vms: readonly SteeredVm[], why: string): MoveAction[] {
  return vms.map(({ name }) => ({ kind, name, why }));
}

function without(vms: readonly SteeredVm[], others: readonly SteeredVm[]): SteeredVm[] {
  return vms.filter((vm) => !others.includes(vm));
}

/** The newest of those that boot. What is being created is let become a machine first. */
function surplus(coming: readonly SteeredVm[], count: number): SteeredVm[] {
  const newest = coming.filter((vm) => vm.state === 'booting').sort((a, b) => b.createdAtMs - a.createdAtMs);
  return newest.slice(0, Math.max(0, count));
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
