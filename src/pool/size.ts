import { TidepoolError } from '../domain/errors.ts';
import type { PoolSettings, PoolState } from '../domain/pool.ts';
import { emit, type PoolContext } from './context.ts';
import type { Wanted } from './steer.ts';

/** How large a pool should be: its settings and the wanted number, kept in the store, always within the bounds. */
export class PoolSize {
  readonly #context: PoolContext;
  #overrides: Partial<PoolSettings> = {};
  #desired = 0;
  #isClosed = false;

  constructor(context: PoolContext) {
    this.#context = context;
    this.#desired = context.pool.settings.min;
  }

  async load(): Promise<void> {
    const state = await this.#context.store.pools.get(this.#context.pool.name);
    if (state === undefined) return;
    this.#overrides = state.overrides;
    this.#desired = this.#within(state.desired);
  }

  get settings(): PoolSettings {
    return { ...this.#context.pool.settings, ...this.#overrides };
  }

  get desired(): number {
    return this.#isClosed ? 0 : this.#desired;
  }

  /** Sets the wanted number; what is out of bounds is moved to the nearer bound. Returns what it is now. */
  async setDesired(desired: number): Promise<number> {
    const next = this.#within(desired);
    // What could not be kept would be forgotten by a restart: it is asked for again.
    if (next !== this.#desired) await this.#save({ desired: next, overrides: this.#overrides });
    return next;
  }

  /** Changes settings from now on, over the configuration. Errors: `invalid`. */
  async change(changes: Partial<PoolSettings>): Promise<void> {
    const next = { ...this.settings, ...changes };
    if (next.min > next.max)
      throw new TidepoolError('invalid', `min is ${next.min}, more than max, which is ${next.max}`);
    const desired = Math.min(next.max, Math.max(next.min, this.#desired));
    await this.#save({ desired, overrides: { ...this.#overrides, ...changes } });
    await emit(this.#context, 'pool.changed', null, `settings changed: ${JSON.stringify(changes)}`, { ...changes });
  }

  /** The pool is to be emptied; nothing of this is kept. */
  close(): void {
    this.#isClosed = true;
  }

  /** @param mostLaunches maximum number of VMs on their way up at one time, as things are; 0: none may be launched */
  wanted(mostLaunches: number): Wanted {
    const { maxParallelLaunches, minLifetimeMs } = this.#context.pool;
    return {
      desired: this.desired,
      max: this.settings.max,
      warm: this.#isClosed ? 0 : this.settings.warm,
      maxParallelLaunches: Math.min(maxParallelLaunches, Math.max(1, mostLaunches)),
      minLifetimeMs: this.#isClosed ? 0 : minLifetimeMs,
      mayLaunch: mostLaunches > 0 && !this.#isClosed,
    };
  }

  #within(desired: number): number {
    return Math.min(this.settings.max, Math.max(this.settings.min, Math.round(desired)));
  }

  async #save({ desired, overrides }: Pick<PoolState, 'desired' | 'overrides'>): Promise<void> {
    const { name } = this.#context.pool;
    await this.#context.store.pools.put({ name, desired, overrides });
    this.#desired = desired;
    this.#overrides = overrides;
  }
}
