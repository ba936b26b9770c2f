/** A request that takes effect once, however often it is sent: its sender gave it a key (`Idempotency-Key`). */
export interface OnceKey {
  readonly owner: string;
  readonly key: string;
  /** SHA-256 of what was asked for: the same key with another request is a mistake of the sender's. */
  readonly requestHash: string;
}

/** `first`: it took effect now; `again`: it had before, with this outcome; `other`: the key was another request's. */
export type OnceAnswer =
  | { readonly state: 'first' | 'again' /** The id of what was made. */; readonly outcome: string }
  | { readonly state: 'other' };

/** How long a key is remembered, and how many of the newest of each user. */
export const onceForMs = 24 * 3_600_000;
export const maxOnceKeys = 10_000;

/** Port: the part of the Store about such requests. */
export interface OnceStore {
  /** What came of an earlier request; undefined when there was none. */
  find(key: OnceKey, nowMs: number): Promise<OnceAnswer | undefined>;
  /** Whether an earlier request had this key, whatever it asked for. */
  isKnown(key: Pick<OnceKey, 'owner' | 'key'>, nowMs: number): Promise<boolean>;
  /** Writes down what came of the request, unless an earlier one has the key. */
  remember(key: OnceKey, outcome: string, nowMs: number): Promise<OnceAnswer>;
  /** Forgets keys of requests from before this time. */
  purge(beforeMs: number): Promise<void>;
}
