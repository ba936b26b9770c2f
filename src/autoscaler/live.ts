import type { Clock } from '../domain/clock.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { EventName } from '../domain/event.ts';
import type { PoolNote } from '../domain/pool.ts';
import {
  type Decision,
  emptyMemory,
  type LoadSample,
  type PlannerMemory,
  type PoolSnapshot,
} from '../domain/scaling.ts';
import { Ring } from '../metrics/ring.ts';
import { explain } from '../protocol/decision.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { StepTimes } from './lost-time.ts';
import { later } from './memory.ts';
import { begun, noteOf, pastOf } from './note.ts';
import { loadNow, type Seen } from './observe.ts';

/** Once a second, as often as there are new samples. */
const periodMs = 1_000;
/** A decision that is as the one before is written down again after this. */
const repeatMs = 60_000;
/** Load is kept for an hour at one sample a second. */
const keptLoads = 3_600;
/** The note for the next start is written at most this often, unless the pool changes. */
const saveEveryMs = 10_000;
/** A note that would say the same again is written after this. */
const saveAgainMs = 60_000;

/** What the live autoscaler needs of its pool; the pool knows nothing of it. */
export interface AutoscaledPool {
  readonly name: string;
  /** Policies by name, and whether their decisions are carried out. */
  settings(): { readonly policies: readonly string[]; readonly paused: boolean };
  /** Everything that the planner looks at, but its own memory and the loads. */
  observe(): Promise<Seen>;
  scale(desired: number, why: string): Promise<void>;
}

/** Where the autoscaler keeps what it knows over a restart. */
export interface PlannerNotes {
  read(): Promise<PoolNote | undefined>;
  write(note: PoolNote): Promise<void>;
}

export interface AutoscalerOptions {
  readonly pool: AutoscaledPool;
  readonly clock: Clock;
  readonly notes: PlannerNotes;
  /** The pure planner with the policies of these names. */
  plan(snapshot: PoolSnapshot, policies: readonly string[], nowMs: number): Decision;
  readonly policyNames: readonly string[];
  /** Whether one of these policies reads the loads of the past. */
  readsLoads(policies: readonly string[]): boolean;
  emit(name: EventName, text: string, data: Readonly<Record<string, unknown>>): Promise<void>;
  log(message: string): void;
}

/**
 * Asks the planner once a second, writes every decision down with its reasons, and carries it out unless paused. What the
 * planner remembers is kept with the pool, so that a restart of the server does not shorten a window or a cooldown.
 */
export class Autoscaler {
  readonly #options: AutoscalerOptions;
  readonly #times = new StepTimes();
  /** Undefined until the note of the last server was read. */
  #memory: PlannerMemory | undefined;
  #loads = new Ring<LoadSample>(keptLoads);
  #last: Decision | undefined;
  #recordedAtMs = Number.NEGATIVE_INFINITY;
  #saved = { uptimeMs: Number.NEGATIVE_INFINITY, signature: '' };
  #isSaveBroken = false;
  #loop: Loop | undefined;

  constructor(options: AutoscalerOptions) {
    this.#options = options;
  }

  start(): void {
    const { pool, clock, log } = this.#options;
    const onError = (error: unknown): void => log(`autoscaler of ${pool.name}: ${toTidepoolError(error).message}`);
    this.#loop = startLoop({ name: `autoscaler ${pool.name}`, clock, periodMs, step: () => this.#step(), onError });
  }

  /** Decides nothing more, and writes down what the next start has to know. */
  async stop(): Promise<void> {
    await this.#loop?.stop();
    if (this.#memory !== undefined && this.#last !== undefined) await this.#save();
  }

  get lastDecision(): Decision | undefined {
    return this.#last;
  }

  /** What would be decided now; nothing is changed, not even the planner's memory. */
  async decide(): Promise<Decision> {
    return this.#decide(await this.#options.pool.observe());
  }

  /** Errors: `invalid` for a name that there is no policy of. */
  checkPolicies(names: readonly string[]): void {
    const { policyNames } = this.#options;
    const unknown = names.find((name) => !policyNames.includes(name));
    if (unknown === undefined) return;
    throw new TidepoolError('invalid', `there is no policy ${unknown}; there are: ${policyNames.join(', ')}`);
  }

  #decide(seen: Seen): Decision {
    const { pool, clock, plan } = this.#options;
    const { policies } = pool.settings();
    const nowMs = clock.now();
    const memory = begun(this.#memory ?? emptyMemory, policies, seen.desired, nowMs);
    return plan({ ...seen, loads: this.#loads.toArray(), memory }, policies, nowMs);
  }

  async #step(): Promise<void> {
    const { pool, clock } = this.#options;
    const { policies, paused } = pool.settings();
    // Before anything is decided: without the note every window would look as if it had passed.
    const before = this.#memory ?? (await this.#recall());
    this.#memory = before;
    this.#leaveOutLostTime();
    if (policies.length === 0) return;
    const seen = await pool.observe();
    const load = loadNow(seen, clock.now());
    if (load !== undefined) this.#loads.push(load);
    const decision = this.#decide(seen);
    await this.#record(decision, paused);
    const { lastOutAtMs, lastInAtMs } = this.#memory;
    // While it is paused nothing changes, but what the policies want is remembered: their windows go on.
    this.#memory = paused ? { ...decision.memory, lastOutAtMs, lastInAtMs } : decision.memory;
    const isChange = !paused && decision.action !== 'none';
    if (isChange || this.#isSaveDue(policies)) await this.#save();
    if (isChange) await pool.scale(decision.desired, explain(decision));
  }

  async #recall(): Promise<PlannerMemory> {
    const { notes, clock } = this.#options;
    const past = pastOf(await notes.read(), clock.now());
    for (const load of past?.loads ?? []) this.#loads.push(load);
    return past?.memory ?? emptyMemory;
  }

  #leaveOutLostTime(): void {
    const { lostMs, jumpMs } = this.#times.step(this.#options.clock);
    if (lostMs !== 0) this.#memory = later(this.#memory ?? emptyMemory, lostMs);
    if (jumpMs === 0) return;
    const loads = new Ring<LoadSample>(keptLoads);
    for (const { atMs, load } of this.#loads.toArray()) loads.push({ atMs: atMs + jumpMs, load });
    this.#loads = loads;
  }

  #isSaveDue(policies: readonly string[]): boolean {
    const sinceMs = this.#options.clock.uptimeMs() - this.#saved.uptimeMs;
    if (sinceMs < saveEveryMs) return false;
    return sinceMs >= saveAgainMs || this.#options.readsLoads(policies) || this.#saved.signature !== this.#signature();
  }

  /** Ages of what is remembered are no news: they count from the time at which the note was written. */
  #signature(): string {
    const { recommendations = [], lastOutAtMs, lastInAtMs } = this.#memory ?? emptyMemory;
    return JSON.stringify([recommendations.map(({ policy, desired }) => [policy, desired]), lastOutAtMs, lastInAtMs]);
  }

  /** A note that cannot be written does not stop the scaling. */
  async #save(): Promise<void> {
    const { notes, clock, log, pool, readsLoads } = this.#options;
    const loads = readsLoads(pool.settings().policies) ? this.#loads.toArray() : [];
    this.#saved = { uptimeMs: clock.uptimeMs(), signature: this.#signature() };
    try {
      await notes.write(noteOf({ memory: this.#memory ?? emptyMemory, loads }, clock.now()));
      this.#isSaveBroken = false;
    } catch (error) {
      const { message } = toTidepoolError(error);
      if (!this.#isSaveBroken) log(`autoscaler of ${pool.name}: its memory cannot be written down: ${message}`);
      this.#isSaveBroken = true;
    }
  }

  /** Every change is written down; what stays as it was only once a minute, or the log would be all of that. */
  async #record(decision: Decision, paused: boolean): Promise<void> {
    const before = this.#last;
    this.#last = decision;
    const isNews = before === undefined || signature(before) !== signature(decision);
    if (!isNews && decision.atMs - this.#recordedAtMs < repeatMs) return;
    this.#recordedAtMs = decision.atMs;
    const { memory: _memory, ...data } = decision;
    const text = `${paused ? 'would decide (paused): ' : ''}${explain(decision)}`;
    try {
      await this.#options.emit('pool.decision', text, { ...data, paused });
    } catch (error) {
      const { log, pool } = this.#options;
      log(`autoscaler of ${pool.name}: its decision is not in the events: ${toTidepoolError(error).message}`);
    }
  }
}

function signature(decision: Decision): string {
  const codes = [
    ...decision.recommendations.map((one) => `${one.policy} ${one.reason.code}`),
    ...decision.limits.map((one) => one.code),
  ];
  return [decision.action, decision.from, decision.desired, ...codes].join('|');
}
