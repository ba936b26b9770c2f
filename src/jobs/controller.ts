import type { Job } from '../domain/job.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { runAttempt } from './attempt.ts';
import type { JobContext } from './context.ts';
import { type Schedule, schedule } from './schedule.ts';
import { freeWorkers } from './workers.ts';

/** As many jobs of the queue as one scheduling step looks at. */
const queueWindow = 1_000;
const periodMs = 1_000;

/** The job service's main loop: takes up what an earlier process began, then gives queued jobs to workers. */
export class JobController {
  readonly #context: JobContext;
  readonly #stopping = new AbortController();
  /** Attempts that this process carries, by job id. */
  readonly #carried = new Map<string, Promise<void>>();
  #waiting: Schedule['waiting'] = new Map();
  #loop: Loop | undefined;
  #isPaused = false;

  constructor(context: JobContext) {
    this.#context = context;
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

  /** Why a queued job waits, as of the last scheduling step. */
  waitReason(jobId: string): string {
    if (this.#isPaused) return 'the server is shutting down';
    return this.#waiting.get(jobId) ?? 'it is about to be scheduled';
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

  async #step(): Promise<void> {
    const { store } = this.#context;
    const active = await store.jobs.active();
    // Those not carried yet are from an earlier process, or from an error of ours.
    for (const job of active) this.#carry(job, true);
    if (this.#isPaused) return;
    const queue = await store.jobs.queued(queueWindow);
    if (queue.length === 0) return;
    const plan = schedule(queue, freeWorkers(await store.vms.list(), active));
    this.#waiting = await this.#withRuntimes(queue, plan.waiting);
    for (const { jobId, worker } of plan.assignments) await this.#assign(jobId, worker);
  }

  /** A job whose runtime is not built yet gets it built, and is told so. */
  async #withRuntimes(queue: readonly Job[], waiting: Schedule['waiting']): Promise<Schedule['waiting']> {
    const reasons = new Map(waiting);
    const wanted = new Map<string, string | undefined>();
    for (const { id, spec } of queue) {
      if (!reasons.has(id)) continue;
      if (!wanted.has(spec.runtime)) wanted.set(spec.runtime, await this.#context.runtimes.want(spec.runtime));
      const progress = wanted.get(spec.runtime);
      if (progress !== undefined) reasons.set(id, progress);
    }
    return reasons;
  }

  async #assign(jobId: string, worker: string): Promise<void> {
    const { store, clock, changes } = this.#context;
    const attempt = await store.jobs.assign(jobId, worker, clock.now());
    if (attempt === undefined) return;
    const job = await store.jobs.get(jobId);
    if (job !== undefined) this.#carry(job, false);
    changes.notify(jobId);
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
