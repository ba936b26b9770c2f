import type { VmState } from './vm.ts';

/**
 * The language of the autoscaler: what the planner is given, and what it answers. The planner is pure; live control,
 * `tidepool plan` and `tidepool simulate` hand it the same types.
 */

/** One second of one VM. */
export interface CpuSample {
  readonly atMs: number;
  /** CPU time over wall time over vCPUs, 0 to 1. */
  readonly cpu: number;
}

export interface VmSnapshot {
  readonly name: string;
  readonly state: VmState | 'warm';
  readonly stateSinceMs: number;
  /** Jobs or requests that it works on now; null when that is not known. */
  readonly inFlight: number | null;
  /** Oldest first, only from the time that it was ready; bounded. Gaps are missing data, never zeros. */
  readonly samples: readonly CpuSample[];
}

/** One step of the load that came in, for forecasts. */
export interface LoadSample {
  readonly atMs: number;
  /** Work that arrived, in VMs' worth at full use: CPU sum, or request rate over capacity. Not cut off at capacity. */
  readonly load: number;
}

export interface PoolSnapshot {
  readonly pool: string;
  readonly min: number;
  readonly max: number;
  /** VMs that are wanted at present. */
  readonly desired: number;
  readonly vms: readonly VmSnapshot[];
  /** Work that waits: queued jobs or requests, with what is known of their length. */
  readonly backlog: {
    /** Null when that is not known, e.g. shortly after a start. */
    readonly waiting: number | null;
    /** How many one VM takes at a time. */
    readonly perVm: number;
    /** Mean length of a piece of work; null while none has ended. */
    readonly meanMs: number | null;
  };
  /** Oldest first, bounded. */
  readonly loads: readonly LoadSample[];
  /** Measured time from the decision to a VM that takes work; null before the first. */
  readonly bootMs: number | null;
  /** What the planner gave back the last time. */
  readonly memory: PlannerMemory;
}

/** One policy wanted `desired` in every plan from `sinceMs` to `untilMs`. */
export interface PastRecommendation {
  readonly policy: string;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly desired: number;
}

/** What the planner remembers from one plan to the next, for stabilisation windows and cooldowns. */
export interface PlannerMemory {
  /** Oldest first, for as long as the longest stabilisation window. */
  readonly recommendations: readonly PastRecommendation[];
  readonly lastOutAtMs: number | null;
  readonly lastInAtMs: number | null;
}

export const emptyMemory: PlannerMemory = { recommendations: [], lastOutAtMs: null, lastInAtMs: null };

/** Why, as data: a stable code, one sentence, and the numbers in it. */
export interface Reason {
  readonly code: string;
  readonly text: string;
  readonly numbers: Readonly<Record<string, number>>;
}

/** What one policy would have. `keep` when it has nothing to say. */
export interface Recommendation {
  readonly policy: string;
  readonly desired: number;
  readonly reason: Reason;
}

export interface Decision {
  readonly pool: string;
  readonly atMs: number;
  readonly from: number;
  readonly desired: number;
  readonly action: 'out' | 'in' | 'none';
  /** Every policy's recommendation, the one that won first. */
  readonly recommendations: readonly Recommendation[];
  /** What held the decision back or changed it: bounds, windows, cooldowns, busy or unhealthy VMs. */
  readonly limits: readonly Reason[];
  readonly memory: PlannerMemory;
}
