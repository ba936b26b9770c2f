import type { Job } from '../domain/job.ts';
import type { Assignment } from '../domain/job-store.ts';
import type { Holding } from '../domain/queue.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { runAttempt } from './attempt.ts';
import type { JobContext } from './context.ts';
import { type UserQueue, userQueues } from './fairness.ts';
import { placeInQueue } from './place.ts';
import { QueueWindows } from './queue-windows.ts';
import { type Schedule, schedule } from './schedule.ts';
import { behind, building, isMissingRuntime, soon, stopping, type WaitReason } from './wait-reason.ts';
import { readyWorkers } from './workers.ts';

const periodMs = 1_000;

/** What a queued job waits for. */
export interface Waiting {
  readonly reason: WaitReason;
  /** Jobs that would be started before it, as things are. */
  readonly place: number;
}

/** The job service's main loop: takes up what an earlier process began, then gives queued jobs to workers. */
export class JobController {
  readonly #context: JobContext;
  readonly #stopping = new AbortController();
  readonly #windows: QueueWindows;
  /** Attempts that this process carries, by job id. */
  readonly #carried = new Map<string, Promise<void>>();
  #queues: readonly UserQueue[] = [];
  #reasons: ReadonlyMap<string, WaitReason> = new Map();
  /** How far the runtimes are that waiting jobs need, in words. */
  #runtimeProgress: ReadonlyMap<string, string> = new Map();
  #lastWorker: string | undefined;
  #loop: Loop | undefined;
  #isPaused = false;

  constructor(context: JobContext) {
    this.#context = context;
    this.#windows = new QueueWindows(context.store.jobs);
  }

  start(): void {
    const { clock, changes, log } = this.#context;
    const loop = startLoop({
      name: 'jobs',
      clock,
      periodMs,
      step: () => this.#step(),
      onError: (error) => log(`job loop: ${error instanceof Error ? error.message : String(error)}`),
    });
    this.#loop = loop;
    void changes.each('queue', this.#stopping.signal, () => loop.wake());
  }

  /** Why a queued job waits, and its place, as of the last scheduling step. */
  async waiting(job: Job): Promise<Waiting> {
    const { id, owner, spec } = job;
    const ahead = await this.#context.store.jobs.countAhead({ id, owner, priority: spec.priority });
    return { reason: this.#reason(id, spec.runtime, ahead), place: placeInQueue(owner, ahead, this.#queues) };
  }

  get carriedCount(): number {
    return this.#carried.size;
  }

  /** Nothing new is started; resolves when all that runs has ended. */
  async drain(): Promise<void> {
    this.#isPaused = true;
    while (this.#carried.size > 0) await Promise.all(this.#carried.values());
  }

  /** Lets go of everything at once; attempts go on in their VMs and are taken up by the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop?.stop();
    await Promise.all(this.#carried.values());
  }

  #reason(id: string, runtime: string, ahead: number): WaitReason {
    if (this.#isPaused) return stopping;
    const reason = this.#reasons.get(id) ?? (ahead === 0 ? soon : behind(ahead));
    const progress = this.#runtimeProgress.get(runtime);
    return progress !== undefined && isMissingRuntime(reason) ? building(progress) : reason;
  }

  async #step(): Promise<void> {
    const { store, clock, rules, workerPools } = this.#context;
    const holdings = await store.jobs.holdings();
    await this.#takeUp(holdings);
    if (this.#isPaused) return;
    const nowMs = clock.now();
    const users = await store.jobs.queueUsers();
    const windows = await this.#windows.read(users);
    this.#queues = userQueues(users, windows, holdings, rules, nowMs);
    if (users.length === 0) return;
    const vms = (await store.vms.list()).filter((vm) => workerPools.has(vm.pool));
    const workers = readyWorkers(vms, holdings);
    const plan = schedule(this.#queues, workers, { rules, nowMs, lastWorker: this.#lastWorker });
    this.#reasons = plan.waiting;
    await this.#wantRuntimes();
    await this.#assign(plan.assignments);
    if (this.#hasMore(plan)) this.#loop?.wake();
  }

  /** Carries what an earlier process began, or what was let go by an error of ours. */
  async #takeUp(holdings: readonly Holding[]): Promise<void> {
    for (const { jobId } of holdings) {
      if (this.#carried.has(jobId)) continue;
      const job = await this.#context.store.jobs.get(jobId);
      if (job !== undefined) this.#carry(job, true);
    }
  }

  /** A runtime that jobs wait for and that is not built yet gets built. */
  async #wantRuntimes(): Promise<void> {
    const wanted = new Set<string>();
    for (const { jobs } of this.#queues) {
      for (const { id, runtime } of jobs) if (isMissingRuntime(this.#reasons.get(id))) wanted.add(runtime);
    }
    const progress = new Map<string, string>();
    for (const runtime of wanted) {
      const text = await this.#context.runtimes.want(runtime);
      if (text !== undefined) progress.set(runtime, text);
    }
    this.#runtimeProgress = progress;
  }

  async #assign(assignments: readonly Assignment[]): Promise<void> {
    if (assignments.length === 0) return;
    const { store, clock, changes } = this.#context;
    this.#lastWorker = assignments.at(-1)?.worker;
    for (const job of await store.jobs.assign(assignments, clock.now())) {
      this.#carry(job, false);
      changes.notify(job.id);
    }
  }

  /** All that was looked at of a user's queue got a worker, and there is more of it. */
  #hasMore(plan: Schedule): boolean {
    return this.#queues.some(({ jobs, queued }) => {
      const last = jobs.at(-1);
      return last !== undefined && queued > jobs.length && !plan.waiting.has(last.id);
    });
  }

  #carry(job: Job, resumed: boolean): void {
    if (this.#carried.has(job.id)) return;
    const { log } = this.#context;
    const carried = runAttempt(this.#context, job, resumed, this.#stopping.signal)
      .catch((error: unknown) => log(`job ${job.id}: ${error instanceof Error ? error.message : String(error)}`))
      .finally(() => {
        this.#carried.delete(job.id);
        this.#loop?.wake();
      });
    this.#carried.set(job.id, carried);
  }
}
