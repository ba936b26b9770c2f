import { readsLoads } from '../autoscaler/note.ts';
import { plan } from '../autoscaler/plan.ts';
import { scheduleDoubts } from '../autoscaler/policies/schedule.ts';
import { parsePolicies, policiesNamed, presets } from '../autoscaler/presets.ts';
import { windowOf } from '../autoscaler/window.ts';
import { systemClock } from '../clock/system-clock.ts';
import type { Config } from '../config/schema.ts';
import type { Decision, PoolSnapshot } from '../domain/scaling.ts';
import { parseLibvirtUri } from '../libvirt/uri.ts';

/** The planner with policies by name: presets, and those that the configuration defines. */
export interface NamedPlanner {
  /** What is likely not meant by the configuration's policies, in words. */
  readonly doubts: readonly string[];
  readonly names: readonly string[];
  /** Errors: `invalid` for a name that there is no policy of. */
  check(names: readonly string[]): void;
  /** How far back they look at samples, in milliseconds. */
  windowMs(names: readonly string[]): number;
  /** Whether one of them reads the loads of the past. */
  readsLoads(names: readonly string[]): boolean;
  plan(snapshot: PoolSnapshot, policies: readonly string[], nowMs: number): Decision;
}

/** @param configured the configuration's `policies`, unchecked. Errors: `invalid` with the place. */
export function namedPlanner(configured: readonly unknown[], nowMs: number): NamedPlanner {
  const own = parsePolicies(configured);
  return {
    doubts: scheduleDoubts(own, nowMs),
    names: [...new Set([...own, ...presets].map((policy) => policy.name))],
    check: (names) => void policiesNamed(names, own),
    windowMs: (names) => windowOf(policiesNamed(names, own)),
    readsLoads: (names) => readsLoads(policiesNamed(names, own)),
    plan: (snapshot, names, nowMs) => plan(snapshot, policiesNamed(names, own), nowMs),
  };
}

/**
 * Checks what the form of the configuration does not say: the policies, those that its pools name, and libvirt's URI. To be called
 * before anything is made or opened. Errors: `invalid`.
 */
export function checkedPlanner({ policies, pools, libvirtUri }: Config): NamedPlanner {
  const planner = namedPlanner(policies, systemClock.now());
  for (const pool of pools) planner.check(pool.policies);
  if (libvirtUri !== undefined) parseLibvirtUri(libvirtUri);
  return planner;
}
