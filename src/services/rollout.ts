import type { Revision, RevisionEnd } from '../domain/service.ts';
import type { HeldRevision, RolloutVm, Slot } from './held.ts';
import { firstFailure } from './verdict.ts';

export interface RolloutRevision extends Pick<Revision, 'number' | 'state'> {
  readonly runtime: string;
}

export interface RolloutStep {
  readonly kind: 'start' | 'remove';
  readonly vm: string;
  readonly number: number;
  readonly slot: Slot;
}

/** A server of the front door, or an endpoint of a service that clients balance. */
export interface TrafficWish {
  readonly vm: string;
  readonly number: number;
  readonly slot: Slot;
  readonly state: 'serving' | 'draining';
}

export interface Rollout {
  /** At most one a VM. Each is safe to be taken late, twice, or never. */
  readonly steps: readonly RolloutStep[];
  /** Where requests should go: all of it, not what is to change. */
  readonly traffic: readonly TrafficWish[];
  /** VMs that were to be prepared and are. */
  readonly prepared: readonly string[];
  /** How the rolling revision ends, when it does. */
  readonly verdict: (RevisionEnd & { readonly number: number }) | undefined;
}

/**
 * A new revision must have been open for so long before the old one goes: many a bad one ends with the first requests.
 */
const provingMs = 2_000;

/**
 * The next steps from what the VMs of a service hold to what they should. Pure.
 *
 * A new revision starts beside the one that serves, in the other slot: first on one VM, then on a quarter of them at a time.
 * Only where it is open to requests the old one is drained and removed. When it fails on any VM it is taken back from all, and
 * where the old one is gone already that is brought back in the same manner. So a VM that serves goes on serving.
 */
export function rollout(revisions: readonly RolloutRevision[], vms: readonly RolloutVm[], nowMs: number): Rollout {
  const current = revisions.find((one) => one.state === 'current');
  const rolling = revisions.find((one) => one.state === 'rolling');
  const failure = rolling === undefined ? undefined : firstFailure(rolling.number, current !== undefined, vms, nowMs);
  const next = failure === undefined ? rolling : undefined;
  const movers = next === undefined ? new Set<string>() : moversTo(next, vms);
  const goals: Goals = {
    onTrial: current === undefined ? undefined : next?.number,
    hasAny: current !== undefined || next !== undefined,
    of(vm) {
      if (vm.phase === 'preparing') return [current ?? next].find((one) => canRun(vm, one))?.number;
      return (movers.has(vm.name) ? next : [current].find((one) => canRun(vm, one)))?.number;
    },
  };
  const plans = vms.map((vm) => planVm(vm, goals, nowMs));
  return {
    steps: plans.flatMap(({ step }) => step ?? []),
    traffic: plans.flatMap(({ traffic }) => traffic),
    prepared: plans.flatMap(({ isPrepared, name }) => (isPrepared ? [name] : [])),
    verdict: failure ?? (next === undefined ? undefined : success(next, vms, goals, nowMs)),
  };
}

interface Goals {
  /** The revision that must prove itself beside one that has. */
  readonly onTrial: number | undefined;
  /** Whether there is anything to run at all. */
  readonly hasAny: boolean;
  /** The number of the revision that a VM should run. */
  of(vm: RolloutVm): number | undefined;
}

interface VmPlan {
  readonly name: string;
  readonly step: RolloutStep | undefined;
  readonly traffic: readonly TrafficWish[];
  readonly isPrepared: boolean;
}

function planVm(vm: RolloutVm, goals: Goals, nowMs: number): VmPlan {
  const { name, held, phase } = vm;
  if (phase === 'draining') {
    const traffic = held.filter(serves).map((one) => wish(vm, one, 'draining'));
    return { name, step: undefined, traffic, isPrepared: false };
  }
  const goal = goals.of(vm);
  const own = held.find((one) => one.number === goal);
  const others = held.filter((one) => one !== own);
  const isUp = own?.state === 'serving' && (phase === 'preparing' || isEstablished(own, goals, nowMs));
  const kept = phase === 'serving' && goals.hasAny && !isUp ? others.filter(serves) : [];
  // With both slots taken one of the old ones must make room.
  const leaving = others.filter((one) => !kept.includes(one) || (kept.length === 2 && one === dispensable(kept)));
  const step = nextStep(vm, goal, own, leaving, nowMs);
  if (phase === 'preparing') {
    const isPrepared = others.length === 0 && (goal === undefined || (own !== undefined && own.state !== 'starting'));
    return { name, step, traffic: [], isPrepared };
  }
  const traffic = held.flatMap((one) => {
    if (!serves(one) || (step?.kind === 'remove' && step.number === one.number)) return [];
    return [wish(vm, one, leaving.includes(one) ? 'draining' : 'serving')];
  });
  return { name, step, traffic, isPrepared: false };
}

function nextStep(
  vm: RolloutVm,
  goal: number | undefined,
  own: HeldRevision | undefined,
  leaving: readonly HeldRevision[],
  nowMs: number,
): RolloutStep | undefined {
  const free = ([0, 1] as const).find((slot) => vm.held.every((one) => one.slot !== slot));
  if (goal !== undefined && own === undefined && free !== undefined)
    return { kind: 'start', vm: vm.name, number: goal, slot: free };
  const removable = leaving.find((one) => vm.phase === 'preparing' || !serves(one) || isShut(one));
  // What failed is removed only to be started again, so that its output can be read until then.
  const retried = own?.state === 'failed' && own.retryAtMs <= nowMs ? own : undefined;
  const gone = removable ?? retried;
  return gone === undefined ? undefined : { kind: 'remove', vm: vm.name, number: gone.number, slot: gone.slot };
}

/** VMs in service that should run the new revision now: those that do, and as many more as may change at a time. */
function moversTo(next: RolloutRevision, vms: readonly RolloutVm[]): Set<string> {
  const able = vms.filter((vm) => vm.phase === 'serving' && canRun(vm, next));
  const heldBy = (vm: RolloutVm) => vm.held.find((one) => one.number === next.number);
  const begun = able.filter((vm) => heldBy(vm) !== undefined);
  const isProven = begun.some((vm) => heldBy(vm)?.traffic === 'open');
  const atATime = isProven ? Math.max(1, Math.floor(able.length / 4)) : 1;
  const changing = begun.filter((vm) => heldBy(vm)?.traffic !== 'open').length;
  const waiting = able.filter((vm) => !begun.includes(vm)).sort((a, b) => a.name.localeCompare(b.name));
  return new Set([...begun, ...waiting.slice(0, Math.max(0, atATime - changing))].map((vm) => vm.name));
}

/** It has come up when all VMs in service that can run it are open with it. */
function success(next: RolloutRevision, vms: readonly RolloutVm[], goals: Goals, nowMs: number): Rollout['verdict'] {
  const able = vms.filter((vm) => vm.phase === 'serving' && canRun(vm, next));
  const isUp = (vm: RolloutVm) => vm.held.some((one) => one.number === next.number && isEstablished(one, goals, nowMs));
  if (able.length === 0 || !able.every(isUp)) return undefined;
  return { number: next.number, state: 'current', message: '', traceback: '' };
}

function canRun(vm: RolloutVm, revision: RolloutRevision | undefined): revision is RolloutRevision {
  return revision !== undefined && vm.runtimes.includes(revision.runtime);
}

function isEstablished({ number, traffic, trafficSinceMs }: HeldRevision, goals: Goals, nowMs: number): boolean {
  return traffic === 'open' && (number !== goals.onTrial || nowMs - trafficSinceMs >= provingMs);
}

function serves(one: HeldRevision): boolean {
  return one.state === 'serving';
}

function isShut(one: HeldRevision): boolean {
  return one.traffic === 'none' || one.traffic === 'closed';
}

/** Of two old ones that serve: the one that no request comes to, else the older. */
function dispensable(kept: readonly HeldRevision[]): HeldRevision | undefined {
  return kept.find((one) => one.traffic !== 'open') ?? [...kept].sort((a, b) => a.number - b.number)[0];
}

function wish(vm: RolloutVm, { number, slot }: HeldRevision, state: TrafficWish['state']): TrafficWish {
  return { vm: vm.name, number, slot, state };
}
