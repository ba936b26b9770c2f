import { jobLimitRanges } from './limits.ts';

/**
 * A worker VM as the pool sees it: `creating -> booting -> ready -> draining -> stopping -> dead -> gone`, beside it
 * `warm` (booted, then paused), `failed` from anywhere (then `dead`), and `away` for a worker whose link is gone. One row
 * per state says what may be done in it and how long it may last. Work on a VM is started again elsewhere only when the VM
 * is `dead` or gone: in every other state it may still run.
 */
export type VmState = 'creating' | 'booting' | 'ready' | 'warm' | 'draining' | 'away' | 'stopping' | 'failed' | 'dead';

export type VmAction = 'dispatch' | 'drain' | 'cancel_drain' | 'resume' | 'park' | 'stop' | 'fail' | 'die';

interface VmStateRow {
  readonly actions: readonly VmAction[];
  /**
   * A VM that stays longer is given up (`failed`). One that is being removed cannot be given up: a try to remove it lasts
   * this long at the most, is repeated until it is gone, and is told of by an alert. Null: as long as it likes.
   */
  readonly maxMs: number | null;
  readonly meaning: string;
}

/** Time for a job's inputs on their way to the VM and its files on their way back, beside its own time limit. */
export const jobHandoverMs = 3_600_000;
const removalMs = 30_000;

export const vmStates: Readonly<Record<VmState, VmStateRow>> = {
  creating: { actions: ['stop', 'fail'], maxMs: 60_000, meaning: 'its disk is cloned and it is started' },
  booting: { actions: ['stop', 'fail'], maxMs: 180_000, meaning: 'its agent has not answered yet' },
  ready: { actions: ['dispatch', 'drain', 'stop', 'fail'], maxMs: null, meaning: 'takes work' },
  warm: { actions: ['resume', 'stop', 'fail'], maxMs: null, meaning: 'is booted and paused, to be resumed in no time' },
  draining: {
    actions: ['cancel_drain', 'park', 'stop', 'fail'],
    // The longest that a job may ask for; each drain is held to the limits of its own jobs (pool/overdue.ts).
    maxMs: jobLimitRanges.timeoutMs.max + jobHandoverMs,
    meaning: 'finishes its work and takes no more',
  },
  away: { actions: ['die'], maxMs: null, meaning: 'cannot be reached; its work may still run, and it gets no more' },
  stopping: { actions: ['fail', 'die'], maxMs: removalMs, meaning: 'is being removed; its work may still run' },
  failed: {
    actions: ['stop', 'die'],
    maxMs: removalMs,
    meaning: 'was given up and is being removed; its work may still run',
  },
  dead: { actions: [], maxMs: null, meaning: 'runs no more; it is forgotten when its jobs are given up' },
};

/** The states in which an action may be taken. */
export function vmStatesThatCan(action: VmAction): VmState[] {
  return (Object.keys(vmStates) as VmState[]).filter((state) => vmCan(state, action));
}

/** Whether a VM in this state may take this action. */
export function vmCan(state: VmState, action: VmAction): boolean {
  return vmStates[state].actions.includes(action);
}

/** Whether a VM in this state is on its way out: its machine is to be removed, then its row. */
export function isLeaving(state: VmState): boolean {
  return state === 'stopping' || state === 'failed' || state === 'dead';
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
  /** Version of the API that its agent speaks (`agentProtocol`); null until it has answered. */
  readonly protocol: number | null;
  /** Runtimes that it has mounted. */
  readonly runtimes: readonly string[];
  /** An operator wants it gone: it is drained and removed, whatever size its pool should have. */
  readonly isUnwanted: boolean;
  /** Its guest stands, since the disk of the host is full. It goes on when there is room, and gets no work until then. */
  readonly isStanding: boolean;
}

export interface VmCapacity {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** Jobs that it has places for. */
  readonly slots: number;
}
