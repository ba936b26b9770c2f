import type { AgentAddress } from '../domain/agent-link.ts';
import { toTidepoolError } from '../domain/errors.ts';
import type { Job } from '../domain/job.ts';
import type { Assignment, RejectFilter } from '../domain/job-store.ts';
import type { Holding } from '../domain/queue.ts';
import { isLayered, type LayeredRecipe, runtimeOf } from '../domain/requirements.ts';
import type { Vm } from '../domain/vm.ts';
import { joinedPool } from '../domain/worker.ts';
import { Backoffs } from '../reconcile/backoff.ts';
import { Gate } from '../reconcile/gate.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { inSlices } from '../reconcile/slices.ts';
import { type AttemptParts, AttemptRun } from './attempt-run.ts';
import type { JobContext } from './context.ts';
import type { PoolShape } from './demand.ts';
import { impossibleJobs } from './impossible.ts';
import { layeredRecipe } from './layered.ts';
import { OwnAlert } from './own-alert.ts';
import { JobPlanner } from './planner.ts';
import { Removals } from './removals.ts';
import { building, isMissingRuntime, stopping, type WaitReason } from './wait-reason.ts';
import { whereabouts } from './whereabouts.ts';
import { WorkerTrust } from './worker-trust.ts';

const periodMs = 1_000;
/** Each job that ends wakes the loop; with many workers a step takes some milliseconds, and one of them serves many jobs. */
const mostRestMs = 50;
/** Attempts that are taken up in one step, and of which agents are asked for at one time. */
const takenUpAtOnce = 500;
const askedAtOnce = 64;
/** A job for which only workers are left that could not run it has one of them replaced after this long. */
const excludedForMs = 60_000;
const mostBackoffs = 10_000;

/** An attempt that is under way. */
interface Carried {
  readonly ended: Promise<void>;
  /** Its own: a listener that is added to a signal is compared with all that it has, and there are thousands of attempts. */
  readonly stop: AbortController;
}

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
  readonly #parts: AttemptParts;
  /** Pauses before something is tried again that failed by us: attempts by the ids of their jobs, runtimes by their names. */
  readonly #backoffs = new Backoffs(mostBackoffs);
  /** Jobs that wait for another worker, with the times since when. */
  #excludedSinceMs = new Map<string, number>();
  /** Attempts that this process carries, by job id. */
  readonly #carried = new Map<string, Carried>();
  #awaitedRuntimes: readonly string[] = [];
  /** How far the runtimes are that waiting jobs need, in words. */
  #runtimeProgress: ReadonlyMap<string, string> = new Map();
  /** Of runtimes with requirements that are waited for. */
  readonly #recipes = new Map<string, LayeredRecipe>();
  /** Runtimes that wait for something of ours. */
  readonly #unwell = new Set<string>();
  #loop: Loop | undefined;
  #isPaused = false;

  constructor(context: JobContext) {
    this.#context = context;
    this.#planner = new JobPlanner(context);
    const find = async (vmName: string): Promise<AgentAddress | undefined> => {
      const place = await whereabouts(context.store, vmName);
      return place.kind === 'here' ? place.agent : undefined;
    };
    this.#parts = {
      context,
      removals: new Removals({ ...context, find }, this.#stopping.signal),
      trust: new WorkerTrust(context),
      alert: new OwnAlert(context),
      gate: new Gate(askedAtOnce),
    };
  }

  start(): void {
    const { clock, changes, log } = this.#context;
    const loop = startLoop({
      name: 'jobs',
      clock,
      periodMs,
      mostRestMs,
      step: () => this.#step(),
      onError: (error) => log(`job loop: ${error instanceof Error ? error.message : String(error)}`),
    });
    this.#loop = loop;
    void changes.each('queue', this.#stopping.signal, () => loop.wake());
  }

  /** Why a queued job waits, and its place, as of the last scheduling step. */
  async waiting({ id, owner, spec }: Job): Promise<Waiting> {
    const ahead = await this.#context.store.jobs.countAhead({ id, owner, priority: spec.priority });
    return { reason: this.#reason(id, runtimeOf(spec), ahead), place: this.#planner.place(owner, ahead) };
  }

  /** What of ours a job waits for that has a worker already, e.g. a blob that is damaged; undefined when it does not wait. */
  troubleOf(jobId: string): string | undefined {
    return this.#parts.alert.troubleOf(jobId);
  }

  /** The work that waits for each of these pools, in jobs of one CPU; undefined before the first scheduling step. */
  demand(pools: readonly PoolShape[]): ReadonlyMap<string, number> | undefined {
    return this.#planner.demand(pools);
  }

  /**
   * Runtimes that jobs need now: those on workers, and those that wait, as far as the last step looked. Undefined before the
   * first.
   */
  async neededRuntimes(): Promise<ReadonlySet<string> | undefined> {
    const queued = this.#planner.queuedRuntimes;
    if (queued === undefined) return undefined;
    const active = await this.#context.store.jobs.activeRuntimes();
    return new Set([...queued, ...active]);
  }

  /** Runtimes that jobs wait for, as of the last scheduling step, since no worker that is ready has them. */
  get awaitedRuntimes(): readonly string[] {
    return this.#awaitedRuntimes;
  }

  get carriedCount(): number {
    return this.#carried.size;
  }

  /** Nothing new is started; resolves when all that runs has ended. */
  async drain(): Promise<void> {
    this.#isPaused = true;
    while (this.#carried.size > 0) await this.#carriedEnded();
  }

  /** Lets go of everything at once; attempts go on in their VMs and are taken up by the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const { stop } of this.#carried.values()) stop.abort();
    await this.#loop?.stop();
    await this.#carriedEnded();
  }

  #reason(id: string, runtime: string, ahead: number): WaitReason {
    if (this.#isPaused) return stopping;
    const reason = this.#planner.reason(id, ahead);
    const progress = this.#runtimeProgress.get(runtime);
    return progress !== undefined && isMissingRuntime(reason) ? building(progress) : reason;
  }

  async #step(): Promise<void> {
    const heldOn = await this.#context.store.jobs.holdingsByWorker();
    await this.#takeUp(heldOn);
    if (this.#isPaused) return;
    const assignments = await this.#planner.plan(heldOn);
    await this.#wantRuntimes();
    await this.#wantOtherWorkers();
    await this.#parts.trust.look();
    await this.#rejectImpossible();
    await this.#assign(assignments);
    if (this.#planner.hasMore) this.#loop?.wake();
  }

  /** Carries what an earlier process began, or what was let go by an error of ours. */
  async #takeUp(heldOn: ReadonlyMap<string, readonly Holding[]>): Promise<void> {
    const nowMs = this.#context.clock.uptimeMs();
    const left: string[] = [];
    for (const holdings of heldOn.values()) {
      for (const { jobId } of holdings) {
        if (!this.#carried.has(jobId) && this.#backoffs.mayTry(jobId, nowMs)) left.push(jobId);
      }
    }
    if (left.length === 0) return;
    await this.#carryAll(await this.#context.store.jobs.getMany(left.slice(0, takenUpAtOnce)), true);
    if (left.length > takenUpAtOnce) this.#loop?.wake();
  }

  /**
   * A job that only workers could run that have failed to gets another one: the pool replaces what is drained. Nobody replaces a
   * machine that joined by hand, so such a one is tried again: what it lacked may be there now.
   */
  async #wantOtherWorkers(): Promise<void> {
    const { store, clock } = this.#context;
    const nowMs = clock.uptimeMs();
    const jobs = this.#planner.excluded;
    this.#excludedSinceMs = new Map(jobs.map(({ id }) => [id, this.#excludedSinceMs.get(id) ?? nowMs]));
    const overdue = jobs.filter(({ id }) => nowMs - (this.#excludedSinceMs.get(id) ?? nowMs) >= excludedForMs);
    if (overdue.length === 0) return;
    const vms = await store.vms.list();
    // One at a time: it may be that no worker can run these jobs.
    if (vms.some((vm) => vm.isUnwanted && this.#context.workerPools.has(vm.pool))) return;
    for (const { id, excluded = [] } of overdue) {
      const able = vms.filter(({ keyId, state }) => state === 'ready' && excluded.includes(keyId));
      if (able.length === 0) continue;
      this.#excludedSinceMs.set(id, nowMs);
      const replaceable = able.find(({ pool }) => pool !== joinedPool);
      if (replaceable !== undefined) return this.#parts.trust.replace(replaceable.name, id);
      return this.#tryAgain(id, able);
    }
  }

  async #tryAgain(id: string, workers: readonly Vm[]): Promise<void> {
    const { store, changes, log } = this.#context;
    const keyIds = workers.map(({ keyId }) => keyId);
    await store.jobs.readmit(id, keyIds);
    log(`job ${id}: no other worker is there, so ${workers.map(({ name }) => name).join(', ')} may be tried again`);
    changes.notify('queue');
  }

  /** A runtime that jobs wait for and that is not built yet gets built. */
  async #wantRuntimes(): Promise<void> {
    const progress = new Map<string, string>();
    const missing = this.#planner.runtimesOf(isMissingRuntime);
    this.#awaitedRuntimes = [...missing.keys()];
    for (const [runtime, jobId] of missing) {
      const text = await this.#wantOrWait(runtime, jobId);
      if (text !== undefined) progress.set(runtime, text);
    }
    this.#runtimeProgress = progress;
    for (const runtime of this.#recipes.keys()) if (!progress.has(runtime)) this.#recipes.delete(runtime);
    for (const runtime of this.#unwell) if (!missing.has(runtime)) this.#isWell(runtime);
  }

  /** What of ours fails here, e.g. a blob with requirements that is damaged, holds up the jobs of that runtime and no others. */
  async #wantOrWait(runtime: string, jobId: string): Promise<string | undefined> {
    const { clock, log } = this.#context;
    const { alert } = this.#parts;
    if (!this.#backoffs.mayTry(runtime, clock.uptimeMs())) return waitsForServer(alert.troubleOf(runtime));
    try {
      const text = isLayered(runtime) ? await this.#wantLayered(runtime, jobId) : await this.#want(runtime);
      if (this.#unwell.has(runtime)) this.#isWell(runtime);
      return text;
    } catch (thrown) {
      const error = toTidepoolError(thrown);
      this.#unwell.add(runtime);
      this.#backoffs.failed(runtime, clock.uptimeMs());
      log(`runtime ${runtime}: its jobs wait for something of ours: ${error.message}`);
      await alert.failed(runtime, error);
      return waitsForServer(error.message);
    }
  }

  #isWell(runtime: string): void {
    this.#unwell.delete(runtime);
    this.#backoffs.succeeded(runtime);
    this.#parts.alert.recovered(runtime);
  }

  /** The same of a runtime without requirements: one that was removed will not come again by itself. */
  async #want(runtime: string): Promise<string | undefined> {
    const { runtimes } = this.#context;
    if (!(await runtimes.isRemoved(runtime))) return runtimes.want(runtime);
    await this.#reject({ runtime }, `its runtime ${runtime} was removed before it was started`);
    return undefined;
  }

  /** Jobs that are larger than all that there can be, e.g. since a size of VM was taken away. */
  async #rejectImpossible(): Promise<void> {
    const jobs = this.#planner.tooLarge;
    if (jobs.length === 0) return;
    const { store, flavors } = this.#context;
    const impossible = impossibleJobs(jobs, flavors, await store.vms.list());
    for (const [id, why] of impossible) await this.#reject({ ids: [id] }, why);
  }

  async #reject(which: RejectFilter, why: string): Promise<void> {
    const { store, clock, changes } = this.#context;
    for (const id of await store.jobs.reject(which, why, clock.now())) changes.notify(id);
  }

  /** How far it is, in words; undefined when it is there, or can never be and its jobs are told so. */
  async #wantLayered(runtime: string, jobId: string): Promise<string | undefined> {
    const { runtimes } = this.#context;
    const recipe = this.#recipes.get(runtime) ?? (await layeredRecipe(this.#context, jobId));
    if (recipe === undefined) return undefined;
    this.#recipes.set(runtime, recipe);
    const progress = await runtimes.wantLayered(runtime, recipe);
    if (progress?.isHopeless !== true) return progress?.text;
    await this.#reject({ runtime }, progress.text);
    return undefined;
  }

  async #assign(assignments: readonly Assignment[]): Promise<void> {
    if (assignments.length === 0) return;
    const { store, clock, changes } = this.#context;
    const jobs = await store.jobs.assign(assignments, clock.now());
    await this.#carryAll(jobs, false);
    for (const { id } of jobs) changes.notify(id);
  }

  /** With hundreds of them, others go on in between. */
  async #carryAll(jobs: readonly Job[], resumed: boolean): Promise<void> {
    await inSlices(this.#context.clock, this.#carryEach(jobs, resumed));
  }

  *#carryEach(jobs: readonly Job[], resumed: boolean): Generator<void, void> {
    for (const job of jobs) {
      this.#carry(job, resumed);
      yield;
    }
  }

  #carry(job: Job, resumed: boolean): void {
    if (this.#carried.has(job.id)) return;
    const { log, clock } = this.#context;
    const stop = new AbortController();
    if (this.#stopping.signal.aborted) stop.abort();
    const run = new AttemptRun(this.#parts, job, resumed).run(stop.signal);
    const ended = run.then(
      () => {
        this.#backoffs.succeeded(job.id);
        this.#carried.delete(job.id);
        this.#loop?.wake();
      },
      // A mistake in Tidepool: all that is expected to fail is tried again in there. The loop takes it up after a pause.
      (error: unknown) => {
        this.#carried.delete(job.id);
        this.#backoffs.failed(job.id, clock.uptimeMs());
        log(`job ${job.id}: ${error instanceof Error ? error.message : String(error)}`);
      },
    );
    this.#carried.set(job.id, { ended, stop });
  }

  async #carriedEnded(): Promise<void> {
    await Promise.all([...this.#carried.values()].map(({ ended }) => ended));
  }
}

function waitsForServer(message = 'something of its own failed'): string {
  return `it waits for the server: ${message}`;
}
