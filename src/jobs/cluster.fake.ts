import assert from 'node:assert/strict';
import type { Holding, QueuedJob, QueueUser } from '../domain/queue.ts';
import { chargedCpus, decayed, held } from '../domain/usage.ts';
import { userQueues } from './fairness.ts';
import { overheadMs, type Worker } from './room.ts';
import type { SchedulingRules } from './rules.ts';
import { schedule } from './schedule.ts';

const windowDepth = 10;

/** A job as it will go: it comes at `createdAtMs` and, once started, runs for `runMs`, at most its time limit. */
export interface SimulatedJob extends QueuedJob {
  readonly runMs: number;
}

/** A job that was started. */
export interface Start {
  readonly job: SimulatedJob;
  readonly atMs: number;
  /** How long it had been the first of its user's queue; null if it was not the first. */
  readonly firstForMs: number | null;
}

/**
 * Workers and users in a time of its own, for properties of the scheduler over a long run: jobs come, are scheduled at
 * every event, run and end. Checks at each step that no worker has more than it can hold and no user more than he may.
 */
export class Cluster {
  readonly starts: Start[] = [];
  readonly #workers: readonly Omit<Worker, 'held'>[];
  readonly #rules: SchedulingRules;
  readonly #coming: SimulatedJob[];
  readonly #users = new Map<string, { jobs: SimulatedJob[]; user: QueueUser }>();
  readonly #running = new Map<string, { job: SimulatedJob; holding: Holding; endsAtMs: number }>();
  #nowMs = 0;
  #lastWorker: string | undefined;

  constructor(workers: readonly Worker[], rules: SchedulingRules, jobs: readonly SimulatedJob[]) {
    this.#workers = workers;
    this.#rules = rules;
    this.#coming = jobs.toSorted((a, b) => b.createdAtMs - a.createdAtMs);
  }

  /** Lets a user begin with what he has had before. */
  charge(name: string, cpuMs: number): void {
    this.#user(name, 0).user = { ...this.#user(name, 0).user, usage: { cpuMs, atMs: 0 } };
  }

  /** Goes on until nothing more happens, or to this time. */
  run(untilMs = Number.POSITIVE_INFINITY): void {
    for (;;) {
      const nextMs = Math.min(
        this.#coming.at(-1)?.createdAtMs ?? Number.POSITIVE_INFINITY,
        ...[...this.#running.values()].map(({ endsAtMs }) => endsAtMs),
      );
      if (nextMs > untilMs || nextMs === Number.POSITIVE_INFINITY) return;
      this.#nowMs = nextMs;
      for (const [id, { job, holding, endsAtMs }] of this.#running) if (endsAtMs <= nextMs) this.#end(id, job, holding);
      this.#arrive();
      this.#schedule();
    }
  }

  /** CPU milliseconds that each user's jobs have held, all counting alike. */
  heldCpuMs(): Map<string, number> {
    const sums = new Map<string, number>();
    for (const { job, atMs } of this.starts) {
      const ms = Math.min(this.#nowMs, atMs + job.runMs) - atMs;
      sums.set(job.owner, (sums.get(job.owner) ?? 0) + ms * chargedCpus(job));
    }
    return sums;
  }

  get waiting(): number {
    return [...this.#users.values()].reduce((sum, { jobs }) => sum + jobs.length, 0);
  }

  #user(name: string, firstSinceMs: number) {
    const known = this.#users.get(name);
    if (known !== undefined) return known;
    const user: QueueUser = { name, queued: 0, usage: { cpuMs: 0, atMs: 0 }, firstSinceMs, changes: 0 };
    const made = { jobs: [], user };
    this.#users.set(name, made);
    return made;
  }

  #arrive(): void {
    const joined = new Set<{ jobs: SimulatedJob[] }>();
    for (
      let job = this.#coming.at(-1);
      job !== undefined && job.createdAtMs <= this.#nowMs;
      job = this.#coming.at(-1)
    ) {
      this.#coming.pop();
      const one = this.#user(job.owner, this.#nowMs);
      if (one.jobs.length === 0) one.user = { ...one.user, firstSinceMs: this.#nowMs };
      one.jobs.push(job);
      joined.add(one);
    }
    for (const { jobs } of joined) jobs.sort((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1));
  }

  #end(id: string, job: SimulatedJob, { assignedAtMs }: Holding): void {
    this.#running.delete(id);
    const one = this.#user(job.owner, this.#nowMs);
    const { halfLifeMs } = this.#rules;
    const before = decayed(one.user.usage, this.#nowMs, halfLifeMs);
    const cpuMs = before + held(chargedCpus(job), assignedAtMs, this.#nowMs, halfLifeMs);
    one.user = { ...one.user, usage: { cpuMs, atMs: this.#nowMs } };
  }

  #schedule(): void {
    const waiting = [...this.#users.values()].filter(({ jobs }) => jobs.length > 0);
    const users = waiting.map(({ user, jobs }) => ({ ...user, queued: jobs.length }));
    const windows = new Map(waiting.map(({ user, jobs }) => [user.name, jobs.slice(0, windowDepth)]));
    const holdings = [...this.#running.values()].map(({ holding }) => holding);
    const workers = this.#workers.map((worker) => ({
      ...worker,
      held: holdings
        .filter((one) => one.worker === worker.name)
        .map((one) => ({ ...one, slots: 1, untilMs: one.assignedAtMs + one.timeoutMs + overheadMs })),
    }));
    const nowMs = this.#nowMs;
    const heldOn = Map.groupBy(holdings, ({ worker }) => worker);
    const queues = userQueues(users, windows, heldOn, this.#rules, nowMs);
    const plan = schedule(queues, workers, { rules: this.#rules, nowMs, lastWorker: this.#lastWorker });
    this.#lastWorker = plan.assignments.at(-1)?.worker ?? this.#lastWorker;
    const firsts = new Map(waiting.map(({ user, jobs }) => [user.name, jobs[0]?.id]));
    for (const { jobId, worker } of plan.assignments) this.#start(jobId, worker, firsts);
    this.#check();
  }

  #start(jobId: string, worker: string, firsts: ReadonlyMap<string, string | undefined>): void {
    const one = [...this.#users.values()].find(({ jobs }) => jobs.slice(0, windowDepth).some(({ id }) => id === jobId));
    const job = one?.jobs.find(({ id }) => id === jobId);
    assert.ok(one !== undefined && job !== undefined, `${jobId} does not wait`);
    one.jobs.splice(one.jobs.indexOf(job), 1);
    const isFirst = firsts.get(job.owner) === jobId;
    const firstForMs = isFirst ? this.#nowMs - Math.max(one.user.firstSinceMs, job.createdAtMs) : null;
    if (isFirst) one.user = { ...one.user, firstSinceMs: this.#nowMs };
    const { owner, cpus, memoryBytes, diskBytes, timeoutMs } = job;
    const place = { jobId, owner, isRunning: true, worker, attempt: 1, cpus, memoryBytes, diskBytes, timeoutMs };
    const holding = { ...place, assignedAtMs: this.#nowMs };
    this.#running.set(jobId, { job, holding, endsAtMs: this.#nowMs + job.runMs });
    this.starts.push({ job, atMs: this.#nowMs, firstForMs });
  }

  #check(): void {
    const holdings = [...this.#running.values()].map(({ holding }) => holding);
    for (const { name, cpus, memoryBytes, diskBytes, slots } of this.#workers) {
      const here = holdings.filter((one) => one.worker === name);
      assert.ok(sum(here, 'cpus') <= cpus + 1e-3 && sum(here, 'memoryBytes') <= memoryBytes, `${name} holds too much`);
      assert.ok(sum(here, 'diskBytes') <= diskBytes && here.length <= slots, `${name} holds too much`);
    }
    for (const owner of new Set(holdings.map((one) => one.owner))) {
      const own = holdings.filter((one) => one.owner === owner);
      const { maxRunning, maxCpus } = this.#rules.userRules(owner);
      assert.ok(own.length <= maxRunning && sum(own, 'cpus') <= maxCpus + 1e-3, `${owner} has too much`);
    }
  }
}

function sum(holdings: readonly Holding[], what: 'cpus' | 'memoryBytes' | 'diskBytes'): number {
  return holdings.reduce((total, one) => total + one[what], 0);
}
