import { type Clock, sleepAborted } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  fn(): void;
}

/** More timers than this in one advance is a loop that never waits. */
const timersPerAdvance = 100_000;

/**
 * Time that moves only when it is told to. Timers fire in the order of their time, those of the same time in the order
 * in which they were set, so a run is the same each time.
 */
export class FakeClock implements Clock {
  #nowMs: number;
  #order = 0;
  #timers: Timer[] = [];

  /** @param startMs milliseconds since 1970; some date in 2026 unless given */
  constructor(startMs = 1_780_000_000_000) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(sleepAborted());
      const onAbort = () => {
        cancel();
        reject(sleepAborted());
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  after(ms: number, fn: () => void): () => void {
    this.#order += 1;
    const timer: Timer = { dueMs: this.#nowMs + Math.max(0, ms), order: this.#order, fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** How many timers are set. */
  get waiting(): number {
    return this.#timers.length;
  }

  /**
   * Moves time forward by `ms`, firing what falls due on the way, each at its own time. What a timer sets off by
   * promises runs before the next timer fires.
   */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (let fired = 0; ; fired += 1) {
      const next = this.#takeDue(endMs);
      if (next === undefined) break;
      if (fired === timersPerAdvance) {
        throw new TidepoolError('internal', `${timersPerAdvance} timers fired in one advance of ${ms} ms`);
      }
      this.#nowMs = next.dueMs;
      next.fn();
      await settle();
    }
    this.#nowMs = endMs;
  }

  #takeDue(endMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs > endMs) continue;
      if (next === undefined || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) {
        next = timer;
      }
    }
    if (next !== undefined) this.#timers = this.#timers.filter((timer) => timer !== next);
    return next;
  }
}

/** Lets every promise that can go on go on: the macrotask comes after all microtasks that are there. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
