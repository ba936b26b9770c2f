/**
 * A worker VM as the pool sees it: `creating -> booting -> ready -> draining -> stopping -> gone`, `failed` from
 * anywhere. One row per state says what may be done in it and how long it may last.
 */
export type VmState = 'creating' | 'booting' | 'ready' | 'draining' | 'stopping' | 'failed';

export type VmAction = 'dispatch' | 'drain' | 'cancel_drain' | 'stop' | 'fail';

interface VmStateRow {
  readonly actions: readonly VmAction[];
  /** A VM that stays longer is failed (or, when stopping, removed by force); null: as long as it likes. */
  readonly maxMs: number | null;
  /** Whether it counts as one of the VMs that the pool wants. */
  readonly counts: boolean;
}

export const vmStates: Readonly<Record<VmState, VmStateRow>> = {
  creating: { actions: ['fail'], maxMs: 60_000, counts: true },
  booting: { actions: ['stop', 'fail'], maxMs: 120_000, counts: true },
  ready: { actions: ['dispatch', 'drain', 'fail'], maxMs: null, counts: true },
  draining: { actions: ['cancel_drain', 'stop', 'fail'], maxMs: null, counts: false },
  stopping: { actions: ['fail'], maxMs: 30_000, counts: false },
  failed: { actions: ['stop'], maxMs: null, counts: false },
};

export function vmCan(state: VmState, action: VmAction): boolean {
  return vmStates[state].actions.includes(action);
}

/** What the database knows of a VM and libvirt does not. */
export interface Vm {
  readonly name: string;
  readonly pool: string;
  readonly state: VmState;
  /** Why it is in this state, for a person; '' when there is nothing to say. */
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly stateSinceMs: number;
  readonly createdAtMs: number;
  readonly imageId: string;
  readonly flavor: string;
  readonly keyId: string;
  /** The agent's pre-shared key, 32 bytes. */
  readonly key: Uint8Array;
  /** Where the agent listens; null until the hypervisor told. */
  readonly host: string | null;
  readonly port: number | null;
  /** What jobs may use in it, as its agent said; null until ready. */
  readonly capacity: VmCapacity | null;
  /** Runtimes that it has mounted. */
  readonly runtimes: readonly string[];
}

export interface VmCapacity {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}
