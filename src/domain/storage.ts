import type { StoredBlob } from './blob-store.ts';

/**
 * Port: the part of the Store about how long jobs and their blobs are kept. Facts only: who refers to what, and how much
 * it is; blobs themselves are in a BlobStore, logs in a LogStore.
 */
export interface StorageStore {
  /**
   * Bytes of all that a user's jobs keep: each input counts once, however many jobs have it.
   * @param adding as if some job had these inputs too
   */
  usedBytes(owner: string, adding: readonly StoredBlob[]): Promise<number>;
  /** Which of these blobs jobs refer to. */
  inUse(blobs: readonly string[]): Promise<Set<string>>;
  /** Which of these jobs there are. */
  known(jobIds: readonly string[]): Promise<Set<string>>;
  /** Whether there ever was a job or a service, also when all of them are deleted. */
  hasHistory(): Promise<boolean>;
  /** The time that `leaveOlder` was given; undefined when it was never called. */
  leftOlderMs(): Promise<number | undefined>;
  /** Notes that files that have not changed since this time are those of another database. */
  leaveOlder(thanMs: number): Promise<void>;
  /** Users who have jobs, by name. */
  owners(): Promise<string[]>;
  /** Jobs of a user that have ended, the longest ago first. */
  ended(owner: string, page: EndedPage): Promise<EndedJob[]>;
  /** Removes an ended job with all that is about it. `active` when it has not ended, and nothing is removed. */
  deleteJob(id: string): Promise<'deleted' | 'active' | 'unknown'>;
}

export interface EndedPage {
  readonly limit: number;
  /** Only those that ended before this time. */
  readonly beforeMs?: number;
  /** Without the newest so many. */
  readonly withoutNewest?: number;
}

export interface EndedJob {
  readonly id: string;
  /** How many attempts it had, each with a log of its own. */
  readonly attempt: number;
}

/** How long ended jobs are kept, by each user. Infinity is for ever. */
export interface Retention {
  readonly maxAgeMs: number;
  readonly maxJobs: number;
  /** Of all that the user's jobs keep; the oldest jobs go first. */
  readonly maxBytes: number;
}

/** What users may keep. */
export interface StorageRules {
  /** Infinity is no limit. */
  maxStoredBytes(user: string): number;
  readonly retention: Retention;
}

export const unlimitedStorage: StorageRules = {
  maxStoredBytes: () => Number.POSITIVE_INFINITY,
  retention: {
    maxAgeMs: Number.POSITIVE_INFINITY,
    maxJobs: Number.POSITIVE_INFINITY,
    maxBytes: Number.POSITIVE_INFINITY,
  },
};
