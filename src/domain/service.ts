import type { PoolSettings } from './pool.ts';

/** A Python handler, or a program that listens on `$PORT`, that answers from every VM of a pool of its own. */
export interface Service {
  /** Also the name of its pool and the prefix of its VMs. Lower-case letters, digits, dashes; at most 30 characters. */
  readonly name: string;
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
  readonly createdAtMs: number;
}

export type ServiceProtocol = 'http' | 'tcp' | 'udp';

/**
 * `rolling`: is being brought onto the VMs; `current`: serves; `superseded`: served once; `failed`: was taken back.
 * Deploying makes the newest revision `rolling` and takes an older rolling one back (`superseded`).
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
  /** Id in the BlobStore of the file that was deployed, and its name in the working folder. */
  readonly fileBlob: string;
  readonly fileName: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Processes of a handler on each VM; null: one a vCPU. */
  readonly processes: number | null;
  readonly requestTimeoutMs: number;
  readonly maxBodyBytes: number;
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

/** Port: the part of the Store about services. */
export interface ServiceStore {
  /** Inserts or replaces. */
  put(service: Service): Promise<void>;
  get(name: string): Promise<Service | undefined>;
  list(): Promise<Service[]>;
  /** With its revisions and its keys and values. */
  delete(name: string): Promise<void>;
  insertRevision(revision: Revision): Promise<void>;
  moveRevision(service: string, number: number, to: Pick<Revision, 'state' | 'message' | 'traceback'>): Promise<void>;
  /** Newest first. */
  revisions(service: string): Promise<Revision[]>;
}

export interface KeyValueRequest {
  readonly op: 'get' | 'put' | 'add' | 'delete';
  readonly key: string;
  /** Of `put` and `add`. */
  readonly value?: Uint8Array;
}

/** Port: the small durable store that handlers of a service share. */
export interface KeyValueStore {
  /**
   * Carries out a batch in its order, in one transaction; durable when it resolves. One answer a request: the value that
   * then stands, or undefined. Errors: `exhausted` when the service's keys or bytes would pass their limit.
   */
  apply(service: string, requests: readonly KeyValueRequest[]): Promise<(Uint8Array | undefined)[]>;
  count(service: string): Promise<number>;
}
