import type { TidepoolError } from './errors.ts';
import type { PoolSettings } from './pool.ts';

/** A Python handler, or a program that listens on `$PORT`, that answers from every VM of a pool of its own. */
export interface Service {
  /** Also the name of its pool and the prefix of its VMs. Lower-case letters, digits, dashes; at most 30 characters. */
  readonly name: string;
  /** Who deployed it first, and may change it. */
  readonly owner: string;
  /** Fixed by the first deployment. */
  readonly protocol: ServiceProtocol;
  readonly flavor: string;
  /** Of its pool, as deployed last. */
  readonly settings: PoolSettings;
  /** Where clients connect; null for udp, which clients balance themselves. */
  readonly port: number | null;
  /** False: its VMs are shut down until it is started or deployed again. */
  readonly isRunning: boolean;
  /** The revision that serves; null until the first has come up. */
  readonly current: number | null;
  /** It goes, with its revisions, keys and values, as soon as its VMs are gone. */
  readonly isLeaving: boolean;
  readonly createdAtMs: number;
}

export type ServiceProtocol = 'http' | 'tcp' | 'udp';

/**
 * `rolling`: is being brought onto the VMs; `current`: serves; `superseded`: served once; `failed`: was taken back, also
 * because a newer one was deployed before it had come up.
 */
export type RevisionState = 'rolling' | 'current' | 'superseded' | 'failed';

export interface Revision {
  readonly service: string;
  /** Counts up from 1 within its service. */
  readonly number: number;
  readonly state: RevisionState;
  /** Why it failed, with the traceback; else ''. */
  readonly message: string;
  readonly traceback: string;
  readonly createdAtMs: number;
  readonly spec: RevisionSpec;
}

/** What a revision runs. */
export interface RevisionSpec {
  readonly runtime: string;
  readonly entry: ServiceEntry;
  /** The working folder. */
  readonly files: readonly ServiceFile[];
  readonly environment: Readonly<Record<string, string>>;
  /** Processes of a handler on each VM; null: one a vCPU. */
  readonly processes: number | null;
  readonly requestTimeoutMs: number;
  readonly maxBodyBytes: number;
}

export interface ServiceFile {
  readonly name: string;
  /** Id in the BlobStore. */
  readonly blob: string;
}

export type ServiceEntry =
  | { readonly kind: 'handler'; readonly file: string }
  | { readonly kind: 'command'; readonly argv: readonly string[] };

/** Where one VM of a service answers. */
export interface ServiceEndpoint {
  readonly vm: string;
  readonly host: string;
  readonly port: number;
}

/** Revisions of a service that are kept; older ones that do not matter any more are dropped. */
export const maxRevisions = 20;

/** Port: the part of the Store about services. */
export interface ServiceStore {
  /** `conflict` when the name is taken. */
  insert(service: Service): Promise<void>;
  get(name: string): Promise<Service | undefined>;
  /** By name. */
  list(): Promise<Service[]>;
  /** False when there is no such service. */
  change(name: string, changes: ServiceChanges): Promise<boolean>;
  /** With its revisions and its keys and values. */
  delete(name: string): Promise<void>;
  /**
   * A new revision, `rolling`; one that was still rolling is taken back. Keeps the newest `maxRevisions` and the current
   * one. Errors: `conflict` when the number is taken, `not_found` when there is no such service.
   */
  insertRevision(revision: Revision): Promise<void>;
  /**
   * Ends the rolling out of a revision. As `current` it takes the place of the former one, which is `superseded`. False, and
   * nothing is changed, when it is not `rolling` any more.
   */
  settleRevision(service: string, number: number, to: RevisionEnd): Promise<boolean>;
  /** Newest first. */
  revisions(service: string): Promise<Revision[]>;
}

export type ServiceChanges = Partial<Pick<Service, 'flavor' | 'settings' | 'port' | 'isRunning' | 'isLeaving'>>;

export interface RevisionEnd {
  readonly state: 'current' | 'failed';
  readonly message: string;
  readonly traceback: string;
}

/**
 * Where requests come from: a relay on a VM numbers its requests upwards, and sends those again, with the same numbers, to
 * which it has heard no answer.
 */
export interface KeyValueRelay {
  readonly name: string;
  /** Numbers of earlier requests that were refused, so that nothing of them was carried out. */
  readonly refused: readonly number[];
  readonly nowMs: number;
}

export interface KeyValueRequest {
  /** Its number among those of its relay. */
  readonly id?: number;
  readonly op: 'get' | 'put' | 'add' | 'delete';
  readonly key: string;
  /** Of `put` and `add`. */
  readonly value?: Uint8Array;
}

/** What one service may keep. Bytes are those of its keys (in UTF-8) and values. */
export interface KeyValueLimits {
  readonly maxKeys: number;
  readonly maxBytes: number;
}

export const defaultKeyValueLimits: KeyValueLimits = { maxKeys: 1_000_000, maxBytes: 256 * 1024 ** 2 };

/** Answer to one request; an error is a refusal of this request alone. */
export type KeyValueAnswer = Uint8Array | TidepoolError | undefined;

/** Port: the small durable store that handlers of a service share. */
export interface KeyValueStore {
  /**
   * Carries out a batch in its order, in one transaction; durable when it resolves. One answer a request: the value that
   * then stands, or undefined; or `exhausted`, as a value, for a request with which the service's keys or bytes would pass
   * their limit: it changes nothing, and the others are carried out. Error, of the whole batch: `not_found` when there is
   * no such service.
   *
   * A write that was carried out before is not carried out again, whoever wrote since: it is answered as then.
   * @param relay that the requests come from; without one nothing is taken for a repetition
   */
  apply(service: string, requests: readonly KeyValueRequest[], relay?: KeyValueRelay): Promise<KeyValueAnswer[]>;
  count(service: string): Promise<number>;
}
