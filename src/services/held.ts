import type { ServiceState } from '../protocol/agent-service.ts';

/** Which of the two ports of a VM (protocol/agent-service.ts) a revision has. */
export type Slot = 0 | 1;

/**
 * Whether requests come to a revision on a VM. `opening`: they should, but it is not known to take them yet (or not now);
 * `closing`: they should not, but some may be left; `closed`: none is left and none comes.
 */
export type Traffic = 'none' | 'opening' | 'open' | 'closing' | 'closed';

/** A revision that a VM's agent holds. */
export interface HeldRevision {
  readonly number: number;
  readonly slot: Slot;
  readonly state: ServiceState;
  readonly stateSinceMs: number;
  readonly message: string;
  readonly traceback: string;
  /** How often its processes have ended by themselves since it was started. */
  readonly restarts: number;
  readonly traffic: Traffic;
  readonly trafficSinceMs: number;
  /** When one that failed may be started anew. */
  readonly retryAtMs: number;
}

export interface RolloutVm {
  readonly name: string;
  /** `preparing`: is to be made fit for service; `serving`: is in service; `draining`: leaves it. */
  readonly phase: 'preparing' | 'serving' | 'draining';
  readonly runtimes: readonly string[];
  /** At most one a slot. */
  readonly held: readonly HeldRevision[];
}
