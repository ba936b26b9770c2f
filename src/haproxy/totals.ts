/** What counts up. */
export interface Count {
  readonly requests: number;
  readonly failed: number;
}

const none: Count = { requests: 0, failed: 0 };

/**
 * Adds up what workers count, each from nothing, so that the sums go on counting up over reloads. What a worker counted
 * after it was asked last is lost with it.
 */
export class Totals {
  /** By what is counted, of the workers that have ended. */
  readonly #ended = new Map<string, Count>();
  #running = new Map<number, ReadonlyMap<string, Count>>();

  /** Takes what the running workers, by process id, count now. */
  update(workers: ReadonlyMap<number, ReadonlyMap<string, Count>>): void {
    for (const [pid, counts] of this.#running) {
      if (workers.has(pid)) continue;
      for (const [key, count] of counts) this.#ended.set(key, sum([this.#ended.get(key) ?? none, count]));
    }
    this.#running = new Map(workers);
  }

  /** Forgets what is not among these keys. */
  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#ended.keys()) if (!keys.has(key)) this.#ended.delete(key);
  }

  of(key: string): Count {
    const running = [...this.#running.values()].map((counts) => counts.get(key) ?? none);
    return sum([this.#ended.get(key) ?? none, ...running]);
  }
}

function sum(counts: readonly Count[]): Count {
  return counts.reduce((a, b) => ({ requests: a.requests + b.requests, failed: a.failed + b.failed }), none);
}
