import type { AgentAddress } from '../domain/agent-link.ts';
import type { Job } from '../domain/job.ts';
import type { Assignment } from '../domain/job-store.ts';
import type { Holding } from '../domain/queue.ts';
import { isLayered, type LayeredRecipe } from '../domain/requirements.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { runAttempt } from './attempt.ts';
import type { JobContext } from './context.ts';
import type { PoolShape } from './demand.ts';
import { layeredRecipe } from './layered.ts';
import { JobPlanner } from './planner.ts';
import { Removals } from './removals.ts';
import { building, isMissingRuntime, stopping, type WaitReason } from './wait-reason.ts';
import { whereabouts } from './whereabouts.ts';

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
  readonly #planner: JobPlanner;
  readonly #stopping = new AbortController();
  readonly #removals: Removals;
  /** Attempts that this process carries, by job id. */
  readonly #carried = new Map<string, Promise<void>>();
  /** How far the runtimes are that waiting jobs need, in words. */
  #runtimeProgress: ReadonlyMap<string, string> = new Map();
  /** Of runtimes with requirements that are waited for. */
  readonly #recipes = new Map<string, LayeredRecipe>();
  #loop: Loop | undefined;
  #isPaused = false;

  constructor(context: JobContext) {
    this.#context = context;
    this.#planner = new JobPlanner(context);
    const find = async (vmName: string): Promise<AgentAddress | undefined> => {
      const place = await whereabouts(context.store, vmName);
      return place.kind === 'here' ? place.agent : undefined;
    };
    this.#removals = new Removals({ ...context, find }, this.#stopping.signal);
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
  async waiting({ id, owner, spec }: Job): Promise<Waiting> {
    const ahead = await this.#context.store.jobs.countAhead({ id, owner, priority: spec.priority });
    return { reason: this.#reason(id, spec.runtime, ahead), place: this.#planner.place(owner, ahead) };
  }

  /** The work that waits for each of these pools, in jobs of one CPU; undefined before the first scheduling step. */
  demand(pools: readonly PoolShape[]): ReadonlyMap<string, number> | undefined {
    return this.#planner.demand(pools);
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
    const reason = this.#planner.reason(id, ahead);
    const progress = this.#runtimeProgress.get(runtime);
    return progress !== undefined && isMissingRuntime(reason) ? building(progress) : reason;
  }

  async #step(): Promise<void> {
    const holdings = await this.#context.store.jobs.holdings();
    await this.#takeUp(holdings);
    if (this.#isPaused) return;
    const assignments = await this.#planner.plan(holdings);
    await this.#wantRuntimes();
    await this.#assign(assignments);
    if (this.#planner.hasMore) this.#loop?.wake();
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
    const progress = new Map<string, string>();
    for (const [runtime, jobId] of this.#planner.runtimesOf(isMissingRuntime)) {
      const text = isLayered(runtime)
        ? await this.#wantLayered(runtime, jobId)
        : await this.#context.runtimes.want(runtime);
      if (text !== undefined) progress.set(runtime, text);
    }
    this.#runtimeProgress = progress;
    for (const runtime of this.#recipes.keys()) if (!progress.has(runtime)) this.#recipes.delete(runtime);
  }

  /** How far it is, in words; undefined when it is there, or can never be and its jobs are told so. */
  async #wantLayered(runtime: string, jobId: string): Promise<string | undefined> {
    const { store, runtimes, clock, changes } = this.#context;
    const recipe = this.#recipes.get(runtime) ?? (await layeredRecipe(this.#context, jobId));
    if (recipe === undefined) return undefined;
    this.#recipes.set(runtime, recipe);
    const progress = await runtimes.wantLayered(runtime, recipe);
    if (progress?.isHopeless !== true) return progress?.text;
    for (const id of await store.jobs.reject(runtime, progress.text, clock.now())) changes.notify(id);
    return undefined;
  }

  async #assign(assignments: readonly Assignment[]): Promise<void> {
    if (assignments.length === 0) return;
    const { store, clock, changes } = this.#context;
    for (const job of await store.jobs.assign(assignments, clock.now())) {
      this.#carry(job, false);
      changes.notify(job.id);
    }
  }

  #carry(job: Job, resumed: boolean): void {
    if (this.#carried.has(job.id)) return;
    const { log } = this.#context;
    const carried = runAttempt(this.#context, this.#removals, job, resumed, this.#stopping.signal)
      .catch((error: unknown) => log(`job ${job.id}: ${error instanceof Error ? error.message : String(error)}`))
      .finally(() => {
        this.#carried.delete(job.id);
        this.#loop?.wake();
      });
    this.#carried.set(job.id, carried);
  }
}
