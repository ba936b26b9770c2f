import { TidepoolError } from '../domain/errors.ts';
import type { PoolSettings } from '../domain/pool.ts';
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
    if (next !== this.#desired) {
      this.#desired = next;
      await this.#save();
    }
    return next;
  }

  /** Changes settings from now on, over the configuration. Errors: `invalid`. */
  async change(changes: Partial<PoolSettings>): Promise<void> {
    const next = { ...this.settings, ...changes };
    if (next.min > next.max)
      throw new TidepoolError('invalid', `min is ${next.min}, more than max, which is ${next.max}`);
    this.#overrides = { ...this.#overrides, ...changes };
    this.#desired = this.#within(this.#desired);
    await this.#save();
    await emit(this.#context, 'pool.changed', null, `settings changed: ${JSON.stringify(changes)}`, { ...changes });
  }

  /** The pool is to be emptied; nothing of this is kept. */
  close(): void {
    this.#isClosed = true;
  }

  wanted(mayLaunch: boolean): Wanted {
    const { maxParallelLaunches, minLifetimeMs } = this.#context.pool;
    return {
      desired: this.desired,
      warm: this.#isClosed ? 0 : this.settings.warm,
      maxParallelLaunches,
      minLifetimeMs: this.#isClosed ? 0 : minLifetimeMs,
      mayLaunch: mayLaunch && !this.#isClosed,
    };
  }

  #within(desired: number): number {
    return Math.min(this.settings.max, Math.max(this.settings.min, Math.round(desired)));
  }

  async #save(): Promise<void> {
    const { name } = this.#context.pool;
    await this.#context.store.pools.put({ name, desired: this.#desired, overrides: this.#overrides });
  }
}
