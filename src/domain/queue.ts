import type { Usage } from './usage.ts';

/** A queued job as the scheduler sees it. */
export interface QueuedJob {
  readonly id: string;
  readonly owner: string;
  /** Order among the jobs of one user, the highest first. */
  readonly priority: number;
  readonly runtime: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** See `heldDiskBytes` in domain/limits.ts. */
  readonly diskBytes: number;
  readonly timeoutMs: number;
  readonly createdAtMs: number;
  /** Key ids of workers that could not run it and do not get it again; none unless given. */
  readonly excluded?: readonly string[];
}

/** Which jobs a kind of worker could run if nothing else were on it. */
export interface WorkerShape {
  readonly runtimes: readonly string[];
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/** What an active job holds of its worker. */
export interface Holding {
  readonly jobId: string;
  readonly owner: string;
  /** Its script runs; else it is still being sent to the worker. */
  readonly isRunning: boolean;
  readonly worker: string;
  readonly attempt: number;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** See `heldDiskBytes` in domain/limits.ts. */
  readonly diskBytes: number;
  readonly timeoutMs: number;
  readonly assignedAtMs: number;
}

/** A user who has queued jobs. */
export interface QueueUser {
  readonly name: string;
  readonly queued: number;
  /** Without what runs now: a job is charged when it ends. */
  readonly usage: Usage;
  /** When the job that was first in this user's queue was started, or the queue began; the present first waits since. */
  readonly firstSinceMs: number;
  /** Counts the changes of this user's queue, so that who keeps a part of it knows when to read again. */
  readonly changes: number;
}
