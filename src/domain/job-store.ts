import type { Job, JobFile, JobResult, JobState } from './job.ts';
import type { OnceAnswer, OnceKey } from './once.ts';
import type { Holding, QueuedJob, QueueUser, WorkerShape } from './queue.ts';

export interface JobPage {
  readonly owner?: string;
  readonly states?: readonly JobState[];
  /** 1 to 1000. */
  readonly limit: number;
  /** Only jobs older than this id (ids sort by time of creation). */
  readonly before?: string;
}

export interface JobStore {
  insert(job: Job): Promise<void>;
  /** In one transaction with the check that the key is new. The job is there only when the answer is `first`. */
  insertOnce(job: Job, once: OnceKey): Promise<OnceAnswer>;
  get(id: string): Promise<Job | undefined>;
  /** The largest id of all jobs that is below this one. */
  newestId(below: string): Promise<string | undefined>;
  /** Those that are there, in no order. */
  getMany(ids: readonly string[]): Promise<Job[]>;
  /** Newest first. */
  list(page: JobPage): Promise<Job[]>;
  /** Users who have queued jobs, by name. */
  queueUsers(): Promise<QueueUser[]>;
  /** The first `limit` queued jobs of each user, in the order of the user's queue: by priority, then the oldest first. */
  queuedOf(users: readonly string[], limit: number): Promise<ReadonlyMap<string, readonly QueuedJob[]>>;
  /**
   * The same of those jobs alone that a worker of one of these shapes could run and that have no more CPUs than all jobs of
   * their user may have. Of a very long queue only the beginning is looked at. `shapes` has at least one.
   */
  runnableOf(
    users: readonly { readonly name: string; readonly maxCpus: number }[],
    shapes: readonly WorkerShape[],
    limit: number,
  ): Promise<ReadonlyMap<string, readonly QueuedJob[]>>;
  /** Of this user, or of all. */
  countQueued(user?: string): Promise<number>;
  /** How many queued jobs are before this one in its user's queue. */
  countAhead(job: Pick<QueuedJob, 'id' | 'owner' | 'priority'>): Promise<number>;
  /** Active jobs (starting or running), ordered by worker, then by job. It is cheap: loops ask at each step. */
  holdings(): Promise<readonly Holding[]>;
  /** The same by worker. */
  holdingsByWorker(): Promise<ReadonlyMap<string, readonly Holding[]>>;
  /**
   * In one transaction, for each assignment: if the VM is ready and the job is queued, the job becomes `starting` on it
   * under the next attempt number. Returns those jobs as they are then; an assignment that cannot be is left out.
   */
  assign(assignments: readonly Assignment[], nowMs: number): Promise<Job[]>;
  markRunning(id: string, attempt: number, nowMs: number): Promise<boolean>;
  /** Ends the job with its evidence and files, and charges its owner for the time. */
  finish(id: string, attempt: number, end: JobEnd): Promise<boolean>;
  /**
   * Back to the queue, e.g. when its worker was lost; a job that somebody wants cancelled ends as cancelled. The time is
   * charged all the same.
   * @param why `lost` unless given
   */
  requeue(id: string, attempt: number, nowMs: number, why?: Requeue): Promise<boolean>;
  /** Lets a queued job be given to these workers again, which it was to avoid. */
  readmit(id: string, keyIds: readonly string[]): Promise<void>;
  /** A queued job is cancelled at once; for an active one the wish is noted. */
  cancel(id: string, nowMs: number): Promise<'cancelled' | 'requested' | 'ended' | 'unknown'>;
  /** Ends queued jobs that can never run, and says why; gives their ids. */
  reject(which: RejectFilter, message: string, nowMs: number): Promise<string[]>;
  /** Cancels up to `limit` jobs that the filter names, as `cancel` does each, in one transaction. */
  cancelMany(filter: CancelFilter, limit: number, nowMs: number): Promise<Cancelled>;
  /** By path; all unless a page is given. */
  files(id: string, page?: { readonly after?: string; readonly limit: number }): Promise<JobFile[]>;
  file(id: string, path: string): Promise<JobFile | undefined>;
  /** The tries of a job, the first one first. */
  attempts(id: string): Promise<JobAttempt[]>;
  /** Mean run time of the newest `count` jobs that ran to an end; null while there is none. */
  meanRunMs(count: number): Promise<number | null>;
  /** Runtimes of the jobs that are on a worker. */
  activeRuntimes(): Promise<string[]>;
}

/** One try to run a job. */
export interface JobAttempt {
  readonly number: number;
  readonly vmName: string;
  readonly assignedAtMs: number;
  /**
   * The job's final state; `requeued`: its worker was lost; `worker_fault`: its worker could not run it; `not_started`: its
   * files did not arrive, so it does not count as a try. Null while it lasts.
   */
  readonly outcome: string | null;
}

/** Why an attempt is over though its job has not ended. */
export interface Requeue {
  readonly outcome: 'requeued' | 'worker_fault' | 'not_started';
  /** Key id of the worker that must not get the job again. */
  readonly excludedKeyId?: string;
  /** Bytes of its frame logs, which it keeps if it ends as cancelled. */
  readonly logBytes?: number;
}

/** All queued jobs of a runtime (by `runtimeOf`), or these. */
export type RejectFilter = { readonly runtime: string } | { readonly ids: readonly string[] };

/** A job that is to go to a worker. */
export interface Assignment {
  readonly jobId: string;
  readonly worker: string;
}

/** Which jobs are meant: those that fit everything that is given. */
export interface CancelFilter {
  readonly owner?: string | undefined;
  readonly ids?: readonly string[] | undefined;
  /** `queued`, `starting`, `running`; any of these unless given. */
  readonly states?: readonly JobState[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** Ids of the jobs that were cancelled at once, and of those whose worker must end them. */
export interface Cancelled {
  readonly cancelled: readonly string[];
  readonly requested: readonly string[];
}

export interface JobEnd {
  readonly state: JobState;
  readonly result: JobResult;
  readonly files: readonly JobFile[];
  /** Of its frame logs; 0 unless given. */
  readonly logBytes?: number;
  readonly nowMs: number;
}
