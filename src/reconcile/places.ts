import { TidepoolError } from '../domain/errors.ts';

export interface PlacesOptions {
  /** Maximum number that is in at a time. */
  readonly most: number;
  /** Maximum number that waits to get in. */
  readonly mostWaiting: number;
  /** For the message when too many wait: what they are, e.g. `calls to libvirt`. */
  readonly what: string;
}

/** A bounded number of places with a bounded queue before them: first come, first served. */
export class Places {
  readonly #options: PlacesOptions;
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /**
   * Calls `begin` when a place is free, at once if one is. Returns the function that leaves the place, or the queue; calling
   * it again does nothing. Errors: `exhausted` when too many wait.
   */
  enter(begin: () => void): () => void {
    const { most, mostWaiting, what } = this.#options;
    let isIn = false;
    let hasLeft = false;
    const enter = (): void => {
      isIn = true;
      begin();
    };
    if (this.#taken < most) {
      this.#taken += 1;
      enter();
    } else if (this.#waiting.size < mostWaiting) {
      this.#waiting.add(enter);
    } else {
      throw new TidepoolError(
        'exhausted',
        `${most} ${what} are under way and ${mostWaiting} more wait; try again later`,
      );
    }
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      if (isIn) this.#next();
      else this.#waiting.delete(enter);
    };
  }

  /** Resolves, with the function that leaves it, when there is a place. Errors: `exhausted` when too many wait. */
  take(): Promise<() => void> {
    return new Promise((resolve) => {
      const leave = this.enter(() => queueMicrotask(() => resolve(leave)));
    });
  }

  /** Hands a place on. */
  #next(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken -= 1;
    } else {
      this.#waiting.delete(next);
      next();
    }
  }
}

/** Does the work for each item, with at most `most` under way at a time. Returns the results in the order of the items. */
export async function eachOf<T, R>(items: readonly T[], most: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const left = items.entries();
  let hasFailed = false;
  const worker = async (): Promise<void> => {
    for (const [index, item] of left) {
      if (hasFailed) return;
      try {
        results[index] = await work(item);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
  return results;
}
