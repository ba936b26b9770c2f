import type { Vm, VmState } from '../domain/vm.ts';

/** What a pool should be. */
export interface Wanted {
  /** VMs in service. */
  readonly desired: number;
  /** Maximum number of VMs that may be wanted in service; `desired` unless given. */
  readonly max?: number;
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
  /** It lacks something that a new VM would have, e.g. a runtime; another is to take its place. */
  readonly isOutdated: boolean;
  /** Why it is outdated, in words. */
  readonly outdatedBecause?: string | undefined;
  /** An operator wants it gone, whatever the pool's size. */
  readonly isUnwanted: boolean;
  /** Of a booting VM: its agent has not answered; it could take work; it could be paused too. */
  readonly boot: 'going' | 'usable' | 'done';
  /** What is being done to it at present. */
  readonly step: StepKind | null;
}

export type PoolAction = { readonly kind: 'launch' } | MoveAction;

/** A step on a VM that is there. */
export interface MoveAction {
  readonly kind: 'undrain' | 'enter' | 'resume' | 'drain' | 'park' | 'stop';
  readonly name: string;
  readonly why: string;
}

/** What is done to a VM; `sweep` removes a machine of that name which no row knew, `unpause` resumes one that lacked room. */
export type StepKind = MoveAction['kind'] | 'launch' | 'reap' | 'sweep' | 'unpause';

/** The state to which a step brings its VM; null where the row says by itself how far it is. */
const leadsTo: Readonly<Record<StepKind, VmState | null>> = {
  launch: null,
  sweep: null,
  unpause: null,
  undrain: 'ready',
  enter: 'ready',
  resume: 'ready',
  drain: 'draining',
  park: 'warm',
  stop: 'stopping',
  reap: 'stopping',
};

/** A VM that has come into service is left the host's CPU for so long, and until then takes no other's place. */
const settleMs = 3_000;

/**
 * The next steps from what a pool is to what it should be. Pure; every step is safe to be taken late or twice.
 * Growing takes what is nearest: a drain is cancelled, then a booted VM taken, a warm one resumed, one launched. Shrinking
 * drains outdated VMs first, then idle ones, then the youngest; what is drained goes to the warm pool if that has room.
 * While a VM in service is outdated one more than wanted is brought into service, and then the outdated one drained: a change
 * that reaches all VMs never takes the pool down, be it one of one VM.
 *
 * A drain lasts as long as the work on the VM, which may be days. So no second busy VM is drained for being outdated before
 * the first is done, and nothing is launched beyond the pool's maximum and a few drains (mostVms).
 *
 * Times are of one clock, whichever it is.
 */
export function steer(vms: readonly SteeredVm[], wanted: Wanted, nowMs: number): PoolAction[] {
  const of = (state: VmState): SteeredVm[] => vms.filter((vm) => heads(vm) === state);
  const free = (state: VmState): SteeredVm[] => of(state).filter((vm) => vm.step === null);
  const ready = of('ready');
  const warm = of('warm').filter(isKept);
  const isReplaced = of('draining').some((vm) => vm.isOutdated && vm.jobs > 0);
  const shortage = Math.max(0, wanted.desired + surge(ready, wanted, isReplaced) - ready.length);

  const back = free('draining').filter(isKept).sort(byJobs).reverse().slice(0, shortage);
  const booted = free('booting').filter((vm) => vm.boot !== 'going');
  const entered = booted.slice(0, shortage - back.length);
  const resumed = free('warm')
    .filter(isKept)
    .slice(0, shortage - back.length - entered.length);
  const stillShort = shortage - back.length - entered.length - resumed.length;

  const warmLeft = without(warm, resumed);
  const warmRoom = Math.max(0, wanted.warm - warmLeft.length);
  const bootedLeft = without(booted, entered);
  const toWarm = bootedLeft.slice(0, warmRoom);
  const warmShort = warmRoom - toWarm.length;
  const coming = [...of('creating'), ...without(of('booting'), booted)];
  const leaving = without(of('draining'), back);
  const done = leaving.filter((vm) => vm.jobs === 0 && vm.step === null);
  // What comes already serves the shortage first; a drained VM is warm sooner than a new one.
  const parkRoom = Math.max(0, warmShort - Math.max(0, coming.length - stillShort));
  const parked = done.filter(isKept).slice(0, parkRoom);
  const drained = drains(ready, wanted, nowMs);

  // Those that drain will be warm when they are done: nothing is launched in their place.
  const soonWarm = [...leaving, ...ready.filter((vm) => drained.some((one) => one.name === vm.name))].filter(isKept);
  // A boot takes much CPU: what has just come into service gets it first, and the warm pool is refilled a moment later.
  const isSettling = resumed.length > 0 || ready.some((vm) => vm.step !== null || nowMs - vm.stateSinceMs < settleMs);
  const needed = stillShort + Math.max(0, warmShort - soonWarm.length);
  // What still prepares itself to be kept warm takes CPU too, but does not stop a pool that is short of VMs.
  const preparing = toWarm.filter((vm) => vm.boot === 'usable').length;
  const upTo = Math.max(stillShort > 0 ? 1 : 0, wanted.maxParallelLaunches - preparing);
  const room = mostVms(wanted) - vms.filter((vm) => isOnHost(heads(vm))).length;
  const launches = Math.min(Math.min(isSettling ? stillShort : needed, upTo) - coming.length, room);
  const tooWarm = warmLeft.length - wanted.warm;

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
    ...moves('stop', without(bootedLeft, toWarm), 'it is not wanted any more'),
    ...moves('stop', surplus(warmLeft, tooWarm), 'it is not wanted warm'),
    ...moves('stop', without(free('warm'), warm), 'another takes its place'),
  ];
}

/** The state that it has, or is being brought to. */
function heads(vm: SteeredVm): VmState {
  return (vm.step === null ? null : leadsTo[vm.step]) ?? vm.state;
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

/** The newest; what a step is under way on, or is being created, is let be until that is done. */
function surplus(vms: readonly SteeredVm[], count: number): SteeredVm[] {
  const mayGo = vms.filter((vm) => vm.step === null && vm.state !== 'creating');
  return mayGo.sort((a, b) => b.createdAtMs - a.createdAtMs).slice(0, Math.max(0, count));
}

/** Drains at least that a pool may have beside its maximum of VMs; a large pool a quarter of that. */
const leastDrains = 2;

/** Maximum number of VMs that a pool has on the host at one time before it launches no more. */
function mostVms({ desired, max = desired, warm }: Wanted): number {
  const surge = 1;
  return Math.max(desired, max) + warm + surge + Math.max(leastDrains, Math.floor(max / 4));
}

function isOnHost(state: VmState): boolean {
  return state === 'creating' || state === 'booting' || state === 'ready' || state === 'warm' || state === 'draining';
}

/**
 * VMs in service beyond the wanted ones, for as long as outdated VMs are to be replaced.
 * @param isReplaced whether a busy one drains already
 */
function surge(ready: readonly SteeredVm[], { desired }: Wanted, isReplaced: boolean): number {
  const mayBeReplaced = ready.some((vm) => vm.isOutdated && (vm.jobs === 0 || !isReplaced));
  return mayBeReplaced && ready.filter(isKept).length < desired ? 1 : 0;
}

/** A VM with a step under way counts for what it is, and is not drained before that step is done. */
function drains(ready: readonly SteeredVm[], wanted: Wanted, nowMs: number): MoveAction[] {
  const mayDrain = (vm: SteeredVm): boolean => vm.step === null;
  const [unwanted, others] = [ready.filter((vm) => vm.isUnwanted), ready.filter((vm) => !vm.isUnwanted)];
  const outdated = others.filter((vm) => vm.isOutdated).sort(byJobs);
  const surplus = others.length - wanted.desired;
  // What takes an outdated one's place must be there, and have got its share of the work.
  const there = others.filter((vm) => mayDrain(vm) && (vm.isOutdated || nowMs - vm.stateSinceMs >= settleMs));
  const replaced = outdated.filter(mayDrain).slice(0, Math.max(0, there.length - wanted.desired));
  const mayGo = others
    .filter((vm) => mayDrain(vm) && !vm.isOutdated && nowMs - vm.stateSinceMs >= wanted.minLifetimeMs)
    .sort(byJobs);
  return [
    ...moves('drain', unwanted.filter(mayDrain), 'an operator asked for it'),
    ...replaced.flatMap((vm) => moves('drain', [vm], vm.outdatedBecause ?? 'another takes its place')),
    ...moves('drain', mayGo.slice(0, Math.max(0, surplus - outdated.length)), 'the pool wants fewer VMs'),
  ];
}

/** Idle ones first; among equals the youngest. */
function byJobs(a: SteeredVm, b: SteeredVm): number {
  return a.jobs - b.jobs || b.createdAtMs - a.createdAtMs || a.name.localeCompare(b.name);
}
