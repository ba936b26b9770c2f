import type { Assignment } from '../domain/job-store.ts';
import type { QueuedJob } from '../domain/queue.ts';
import { atOnce } from '../reconcile/slices.ts';
import type { UserQueue } from './fairness.ts';
import { epsilon } from './resources.ts';
import { overheadMs, type Worker } from './room.ts';
import { Rooms } from './rooms.ts';
import type { Placement, SchedulingRules } from './rules.ts';
import { Turn, Turns } from './turns.ts';
import { aboveUserLimit, noRoom, reserved, tooManyCpus, tooManyRunning, type WaitReason } from './wait-reason.ts';

export interface Schedule {
  readonly assignments: readonly Assignment[];
  /** Why each other job that was looked at waits, by job id. */
  readonly waiting: ReadonlyMap<string, WaitReason>;
}

export interface SchedulingOptions {
  readonly rules: Pick<SchedulingRules, 'placement' | 'maxWaitMs'>;
  readonly nowMs: number;
  /** For round-robin: the worker that got the job before. */
  readonly lastWorker?: string | undefined;
}

/** Waiting jobs that room is kept for at one time. */
const maxReservations = 16;

/**
 * Which queued job goes to which worker now. Pure, and the same for the same input.
 *
 * - The user with the smallest share is next, again after each job: so each gets his share (fairness.ts).
 * - Within a user's queue: by priority, then the oldest.
 * - A job without room does not hold up the ones behind it, but room is reserved for it (room.ts): what passes it must
 *   not make it wait longer. So it starts, at the latest, when the jobs before it have run to their time limits.
 * - The first job of a user that has waited for `maxWaitMs` goes before all shares, the longest wait first: so newcomers,
 *   who have had nothing yet, cannot keep somebody waiting for ever.
 */
export function schedule(
  queues: readonly UserQueue[],
  workers: readonly Worker[],
  options: SchedulingOptions,
): Schedule {
  return atOnce(scheduling(queues, new Rooms(workers), options));
}

/** The same, in rooms that are kept from one schedule to the next; yields wherever others may go on. */
export function* scheduling(
  queues: readonly UserQueue[],
  rooms: Rooms,
  { rules, nowMs, lastWorker }: SchedulingOptions,
): Generator<void, Schedule> {
  const run = new Run(rooms, rules.placement, nowMs, lastWorker);
  const all = queues.map((queue) => new Turn(queue));
  for (const turn of overdue(all, nowMs - rules.maxWaitMs)) {
    run.serveFirst(turn);
    yield;
  }
  const turns = new Turns(all);
  for (let turn = turns.next(); turn !== undefined; turn = turns.next()) {
    if (run.serve(turn)) turns.add(turn);
    yield;
  }
  return run;
}

/** Users whose first job has been the first since `sinceMs` or before, the longest wait first. */
function overdue(turns: readonly Turn[], sinceMs: number): Turn[] {
  const waited = turns.filter(({ queue }) => queue.firstSinceMs <= sinceMs);
  return waited.sort((a, b) => a.queue.firstSinceMs - b.queue.firstSinceMs || (a.queue.name < b.queue.name ? -1 : 1));
}

/** One run of the scheduler: the rooms as they fill up, and what is decided so far. */
class Run implements Schedule {
  readonly assignments: Assignment[] = [];
  readonly waiting = new Map<string, WaitReason>();
  readonly #rooms: Rooms;
  #reservations = 0;
  /** Shapes of jobs that no room takes, now or later. Room only gets less during a run, so that stays so. */
  readonly #refused = new Map<string, WaitReason>();
  readonly #placement: Placement;
  readonly #nowMs: number;
  #lastWorker: string | undefined;

  constructor(rooms: Rooms, placement: Placement, nowMs: number, lastWorker: string | undefined) {
    this.#rooms = rooms;
    this.#placement = placement;
    this.#nowMs = nowMs;
    this.#lastWorker = lastWorker;
  }

  /** Gives the user's next job a worker, or room later; jobs that get neither are passed. False: he has no more. */
  serve(turn: Turn): boolean {
    for (let job = this.#nextOf(turn); job !== undefined; job = this.#nextOf(turn)) {
      if (this.#isLimited(turn, job)) return false;
      if (this.#place(turn, job)) return true;
    }
    return false;
  }

  /** The same for the user's first job only. */
  serveFirst(turn: Turn): void {
    const job = this.#nextOf(turn);
    if (job !== undefined && !this.#isLimited(turn, job)) this.#place(turn, job);
  }

  /** The user's next job. One that is larger than all that he may have is passed over: no other job of his can help it. */
  #nextOf(turn: Turn): QueuedJob | undefined {
    for (let job = turn.job; job !== undefined; job = turn.job) {
      if (job.cpus <= turn.queue.rules.maxCpus + epsilon) return job;
      this.waiting.set(job.id, aboveUserLimit(turn.queue, job.cpus));
      turn.pass();
    }
    return undefined;
  }

  /** At a limit of the user, what is behind the job waits as well: it would keep the limit reached for ever. */
  #isLimited(turn: Turn, job: QueuedJob): boolean {
    const limit = userLimit(turn, job);
    if (limit === undefined) return false;
    for (const one of turn.rest) this.waiting.set(one.id, limit);
    return true;
  }

  #place(turn: Turn, job: QueuedJob): boolean {
    turn.pass();
    const key = shape(job);
    let refusal = this.#refused.get(key);
    if (refusal === undefined) {
      if (this.#assign(job) || this.#reserve(job)) {
        turn.count(job);
        return true;
      }
      refusal = noRoom(job, this.#rooms.samples());
      this.#refused.set(key, refusal);
    }
    this.waiting.set(job.id, refusal);
    return false;
  }

  #assign(job: QueuedJob): boolean {
    const untilMs = this.#nowMs + job.timeoutMs + overheadMs;
    const worker = this.#rooms.take(job, untilMs, this.#placement, this.#lastWorker);
    if (worker === undefined) return false;
    this.#lastWorker = worker;
    this.assignments.push({ jobId: job.id, worker });
    return true;
  }

  /** Keeps the room for it that it can have first. */
  #reserve(job: QueuedJob): boolean {
    if (this.#reservations === maxReservations) return false;
    const reservation = this.#rooms.reserve(job, this.#nowMs);
    if (reservation === undefined) return false;
    this.#reservations += 1;
    this.waiting.set(job.id, reserved(reservation.worker, reservation.atMs - this.#nowMs));
    return true;
  }
}

function userLimit(turn: Turn, job: QueuedJob): WaitReason | undefined {
  const { rules } = turn.queue;
  if (turn.running >= rules.maxRunning) return tooManyRunning(turn.queue, turn.running);
  if (turn.cpus + job.cpus > rules.maxCpus + epsilon) return tooManyCpus(turn.queue, turn.cpus);
  return undefined;
}

function shape({ id, runtime, cpus, memoryBytes, diskBytes, timeoutMs, excluded }: QueuedJob): string {
  // A job that some worker could not run may have other workers than all others of its size.
  return `${runtime} ${cpus} ${memoryBytes} ${diskBytes} ${timeoutMs} ${excluded === undefined ? '' : id}`;
}
