import type { Assignment } from '../domain/job-store.ts';
import type { Holding, QueuedJob } from '../domain/queue.ts';
import { inSlices } from '../reconcile/slices.ts';
import type { JobContext } from './context.ts';
import { demandOf, type PoolShape } from './demand.ts';
import { type UserQueue, userQueues } from './fairness.ts';
import { placeInQueue } from './place.ts';
import { QueueWindows } from './queue-windows.ts';
import { Rooms } from './rooms.ts';
import { scheduling } from './schedule.ts';
import { behind, isExcluded, soon, type WaitReason } from './wait-reason.ts';
import { workerKinds } from './worker-shapes.ts';
import { KeptWorkers } from './workers.ts';

/** Reads what the scheduler needs of the store, asks it, and remembers its answer for those who ask why a job waits. */
export class JobPlanner {
  readonly #context: Pick<JobContext, 'store' | 'clock' | 'rules' | 'workerPools'>;
  readonly #windows: QueueWindows;
  readonly #workers = new KeptWorkers();
  readonly #rooms = new Rooms([]);
  #queues: readonly UserQueue[] = [];
  #reasons: ReadonlyMap<string, WaitReason> = new Map();
  #lastWorker: string | undefined;
  /** Undefined before the first plan. */
  #assigned: ReadonlySet<string> | undefined;

  constructor(context: Pick<JobContext, 'store' | 'clock' | 'rules' | 'workerPools'>) {
    this.#context = context;
    this.#windows = new QueueWindows(context.store.jobs);
  }

  /** Which job should go where now. One at a time. @param heldOn what the active jobs hold, by their workers */
  async plan(heldOn: ReadonlyMap<string, readonly Holding[]>): Promise<readonly Assignment[]> {
    const { store, clock, rules, workerPools } = this.#context;
    const nowMs = clock.now();
    const users = await store.jobs.queueUsers();
    if (users.length > 0) {
      const vms = await store.vms.list();
      this.#workers.look(
        vms.filter((vm) => workerPools.has(vm.pool)),
        heldOn,
      );
    }
    const maxCpus = (user: string): number => rules.userRules(user).maxCpus;
    const windows = await this.#windows.read(users, { shapes: workerKinds(this.#workers.shapes), maxCpus });
    const queues = userQueues(users, windows, heldOn, rules, nowMs);
    this.#workers.exclude(queues.flatMap(({ jobs }) => jobs));
    this.#rooms.renew(this.#workers.takeChanges());
    const options = { rules, nowMs, lastWorker: this.#lastWorker };
    const { assignments, waiting } = await inSlices(clock, scheduling(queues, this.#rooms, options));
    this.#queues = queues;
    this.#reasons = waiting;
    this.#assigned = new Set(assignments.map(({ jobId }) => jobId));
    this.#lastWorker = assignments.at(-1)?.worker ?? this.#lastWorker;
    return assignments;
  }

  /** All that was looked at of some user's queue got a worker, and there is more of it. */
  get hasMore(): boolean {
    return this.#queues.some(({ jobs, queued }) => {
      const last = jobs.at(-1);
      return last !== undefined && queued > jobs.length && !this.#reasons.has(last.id);
    });
  }

  /** The work that waits for each pool (demand.ts), as of the last plan; undefined before the first. */
  demand(pools: readonly PoolShape[]): ReadonlyMap<string, number> | undefined {
    return this.#assigned === undefined ? undefined : demandOf(this.#queues, this.#assigned, pools);
  }

  /** Jobs that wait because the workers that could run them have failed to, each with those workers' key ids. */
  get excluded(): QueuedJob[] {
    return this.#waitingFor(isExcluded);
  }

  /** Jobs for which no ready worker is large enough, as of the last plan. */
  get tooLarge(): readonly QueuedJob[] {
    return this.#waitingFor(({ code }) => code === 'too_large');
  }

  #waitingFor(isMeant: (reason: WaitReason) => boolean): QueuedJob[] {
    const jobs = this.#queues.flatMap((queue) => queue.jobs);
    return jobs.filter(({ id }) => {
      const reason = this.#reasons.get(id);
      return reason !== undefined && isMeant(reason);
    });
  }

  /** Runtimes of jobs for which this reason was given, as of the last plan, each with one of the jobs. */
  runtimesOf(isMeant: (reason: WaitReason) => boolean): Map<string, string> {
    const runtimes = new Map<string, string>();
    for (const { jobs } of this.#queues) {
      for (const { id, runtime } of jobs) {
        const reason = this.#reasons.get(id);
        if (reason !== undefined && isMeant(reason)) runtimes.set(runtime, id);
      }
    }
    return runtimes;
  }

  /** Runtimes of the queued jobs that the last plan looked at; undefined before the first. */
  get queuedRuntimes(): ReadonlySet<string> | undefined {
    if (this.#assigned === undefined) return undefined;
    return new Set(this.#queues.flatMap(({ jobs }) => jobs.map(({ runtime }) => runtime)));
  }

  /** Why a queued job waits. @param ahead jobs before it in its user's queue */
  reason(jobId: string, ahead: number): WaitReason {
    return this.#reasons.get(jobId) ?? (ahead === 0 ? soon : behind(ahead));
  }

  /** How many jobs would be started before it, as things are. */
  place(user: string, ahead: number): number {
    return placeInQueue(user, ahead, this.#queues);
  }
}
