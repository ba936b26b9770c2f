import type { AccountStore } from './account.ts';
import type { CloudEvent, EventFilter, NewEvent } from './event.ts';
import type { JobStore } from './job-store.ts';
import type { OnceStore } from './once.ts';
import type { PoolNote, PoolNotePart, PoolState } from './pool.ts';
import type { KeyValueStore, ServiceStore } from './service.ts';
import type { StorageStore } from './storage.ts';
import type { Vm, VmState } from './vm.ts';

/**
 * What lies in the place of a database: nothing; its log alone; a database in which no installation has begun; that of an
 * installation; that of another program.
 */
export type DatabaseKind = 'none' | 'log-only' | 'unused' | 'ours' | 'foreign';

/**
 * Port: what must survive a restart. Implementations: `sqlite/`. Every write is durable when its promise resolves.
 *
 * Writes that depend on a state are compare-and-set: they tell by their boolean whether they took effect, and a report
 * that carries an old attempt number (the fencing number) never does.
 */
export interface Store {
  readonly jobs: JobStore;
  readonly vms: VmStore;
  readonly trust: WorkerTrustStore;
  readonly events: EventStore;
  readonly pools: PoolStore;
  readonly services: ServiceStore;
  readonly keyValues: KeyValueStore;
  readonly accounts: AccountStore;
  readonly storage: StorageStore;
  readonly once: OnceStore;
  /** A value made once per installation, e.g. its id. */
  setting(name: string, makeDefault: () => string): Promise<string>;
  /** Gives disk back that deleted rows have left, a little at a time; the store can be used meanwhile. */
  compact(): Promise<void>;
  /** Size of all that is stored, and which changes of its form it has had. */
  facts(): Promise<{ readonly sizeBytes: number; readonly migrations: string[] }>;
  /** Writes a consistent copy of all of it to a new file, beside its other work; `exhausted` when the disk is full. */
  copyTo(path: string): Promise<void>;
  close(): Promise<void>;
}

export interface VmStore {
  /** `conflict` when the name is taken. */
  insert(vm: Vm): Promise<void>;
  get(name: string): Promise<Vm | undefined>;
  /** Ordered by name. It is cheap: loops ask at each step. */
  list(): Promise<readonly Vm[]>;
  /** The same for the VMs of one pool. */
  ofPool(pool: string): Promise<readonly Vm[]>;
  /** Moves the VM when it is in one of the `from` states. */
  move(name: string, from: readonly VmState[], to: VmMove): Promise<boolean>;
  /**
   * Moves the VM in one transaction with the check that no job is on it, so that a busy VM is never removed or paused.
   */
  moveIfIdle(name: string, from: readonly VmState[], to: VmMove): Promise<boolean>;
  /** Writes facts about the VM with this key, whatever its state is, and leaves that as it is. False: there is none. */
  learn(name: string, keyId: string, facts: VmFacts): Promise<boolean>;
  /**
   * Deletes the row, unless a job is still on the VM (false): its name must not come to mean another VM before whoever
   * carries the job has learnt of the loss.
   */
  delete(name: string): Promise<boolean>;
}

export interface VmMove {
  readonly state: VmState;
  readonly reason: string;
  readonly nowMs: number;
  readonly facts?: VmFacts;
}

/** Facts about a VM that may change beside its state. */
export type VmFacts = Partial<
  Pick<Vm, 'host' | 'port' | 'capacity' | 'protocol' | 'runtimes' | 'isUnwanted' | 'isStanding'>
>;

/** Strikes of a worker that could not run attempts. */
export interface WorkerStrikes {
  readonly keyId: string;
  readonly vm: string;
  readonly pool: string;
  /** Attempts in a row that it could not run. */
  readonly strikes: number;
  /** An alert was raised, which is cleared when the worker is gone. */
  readonly isAlarmed: boolean;
}

export interface WorkerTrustStore {
  all(): Promise<readonly WorkerStrikes[]>;
  /** Replaces what is known of the worker with this key, or adds it. */
  put(one: WorkerStrikes): Promise<void>;
  /** Without effect when nothing is known. */
  delete(keyId: string): Promise<void>;
}

export interface EventStore {
  /** Keeps the newest `maxEvents` decisions and as many other events, or a few more. */
  append(event: NewEvent): Promise<CloudEvent>;
  /** Oldest first, those after `afterId`. */
  after(afterId: number, limit: number): Promise<CloudEvent[]>;
  /** The newest `limit` that match (of those before `beforeId`, if it is given), oldest first. */
  newest(limit: number, beforeId?: number, filter?: EventFilter): Promise<CloudEvent[]>;
}

/**
 * Events that are kept of each of the two kinds: some weeks of a quiet pool, a day of a busy one. Decisions, also those
 * to do nothing, are most of all events; counted apart they do not push out what happened to VMs.
 */
export const maxEvents = 100_000;

export interface PoolStore {
  get(name: string): Promise<PoolState | undefined>;
  /** Replaces the pool's row, or makes it. */
  put(pool: PoolState): Promise<void>;
  /** Deletes the pool's row and its notes. */
  delete(name: string): Promise<void>;
  note(name: string, part: PoolNotePart): Promise<PoolNote | undefined>;
  /** Replaces the note. */
  putNote(name: string, part: PoolNotePart, note: PoolNote): Promise<void>;
}
