import type { Clock } from '../domain/clock.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { EventName } from '../domain/event.ts';
import { type Decision, emptyMemory, type PlannerMemory, type PoolSnapshot } from '../domain/scaling.ts';
import { explain } from '../protocol/decision.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';

/** Once a second, as often as there are new samples. */
const periodMs = 1_000;
/** A decision that is as the one before is written down again after this. */
const repeatMs = 60_000;

/** What the live autoscaler needs of its pool; the pool knows nothing of it. */
export interface AutoscaledPool {
  readonly name: string;
  /** Policies by name, and whether their decisions are carried out. */
  settings(): { readonly policies: readonly string[]; readonly paused: boolean };
  /** Everything that the planner looks at, but its own memory. */
  observe(): Promise<Omit<PoolSnapshot, 'memory'>>;
  scale(desired: number, why: string): Promise<void>;
}

export interface AutoscalerOptions {
  readonly pool: AutoscaledPool;
  readonly clock: Clock;
  /** The pure planner with the policies of these names. */
  plan(snapshot: PoolSnapshot, policies: readonly string[], nowMs: number): Decision;
  readonly policyNames: readonly string[];
  emit(name: EventName, text: string, data: Readonly<Record<string, unknown>>): Promise<void>;
  log(message: string): void;
}

/** Asks the planner once a second, writes every decision down with its reasons, and carries it out unless paused. */
export class Autoscaler {
  readonly #options: AutoscalerOptions;
  #memory: PlannerMemory = emptyMemory;
  #last: Decision | undefined;
  #recordedAtMs = Number.NEGATIVE_INFINITY;
  #loop: Loop | undefined;

  constructor(options: AutoscalerOptions) {
    this.#options = options;
  }

  start(): void {
    const { pool, clock, log } = this.#options;
    const onError = (error: unknown): void => log(`autoscaler of ${pool.name}: ${toTidepoolError(error).message}`);
    this.#loop = startLoop({ name: `autoscaler ${pool.name}`, clock, periodMs, step: () => this.#step(), onError });
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  get lastDecision(): Decision | undefined {
    return this.#last;
  }

  /** What would be decided now; nothing is changed, not even the planner's memory. */
  async decide(): Promise<Decision> {
    const { pool, clock, plan } = this.#options;
    const snapshot = { ...(await pool.observe()), memory: this.#memory };
    return plan(snapshot, pool.settings().policies, clock.now());
  }

  /** Errors: `invalid` for a name that there is no policy of. */
  checkPolicies(names: readonly string[]): void {
    const { policyNames } = this.#options;
    const unknown = names.find((name) => !policyNames.includes(name));
    if (unknown === undefined) return;
    throw new TidepoolError('invalid', `there is no policy ${unknown}; there are: ${policyNames.join(', ')}`);
  }

  async #step(): Promise<void> {
    const { pool } = this.#options;
    const { policies, paused } = pool.settings();
    if (policies.length === 0) return;
    const decision = await this.decide();
    await this.#record(decision, paused);
    if (paused) return;
    this.#memory = decision.memory;
    if (decision.action !== 'none') await pool.scale(decision.desired, explain(decision));
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
    await this.#options.emit('pool.decision', text, { ...data, paused });
  }
}

function signature(decision: Decision): string {
  const codes = [
    ...decision.recommendations.map((one) => `${one.policy} ${one.reason.code}`),
    ...decision.limits.map((one) => one.code),
  ];
  return [decision.action, decision.from, decision.desired, ...codes].join('|');
}
