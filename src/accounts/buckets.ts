import type { Clock } from '../domain/clock.ts';

export interface BucketSize {
  /** Tries that may come at once. */
  readonly burst: number;
  /** After which a further try is allowed. */
  readonly refillMs: number;
  /** Keys that are remembered; beyond, the one used longest ago is forgotten. */
  readonly maxKeys: number;
}

interface Bucket {
  readonly level: number;
  readonly atMs: number;
}

/** A token bucket for each key, in bounded memory. Full ones are not kept. */
export class Buckets {
  /** In the order of their use, the oldest first. */
  readonly #buckets = new Map<string, Bucket>();
  readonly #size: BucketSize;
  readonly #clock: Clock;

  constructor(size: BucketSize, clock: Clock) {
    this.#size = size;
    this.#clock = clock;
  }

  /** How many keys are remembered. */
  get keys(): number {
    return this.#buckets.size;
  }

  /** Milliseconds until a try is allowed; 0 is now. */
  waitMs(key: string): number {
    const { level } = this.#now(key);
    return level >= 1 ? 0 : Math.ceil((1 - level) * this.#size.refillMs);
  }

  /** Takes one try; negative levels do not come up if `waitMs` was 0. */
  take(key: string): void {
    this.#put(key, -1);
  }

  /** Gives a try back that was not one. */
  giveBack(key: string): void {
    this.#put(key, 1);
  }

  #now(key: string): Bucket {
    const atMs = this.#clock.now();
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return { level: this.#size.burst, atMs };
    // A clock that was set back refills nothing.
    const refilled = Math.max(0, atMs - bucket.atMs) / this.#size.refillMs;
    return { level: Math.min(this.#size.burst, bucket.level + refilled), atMs };
  }

  #put(key: string, change: number): void {
    const { level, atMs } = this.#now(key);
    this.#buckets.delete(key);
    if (level + change >= this.#size.burst) return;
    this.#buckets.set(key, { level: level + change, atMs });
    if (this.#buckets.size <= this.#size.maxKeys) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
