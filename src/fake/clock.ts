import { type Clock, sleepAborted } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  /** Undefined when it was cancelled. */
  fn: (() => void) | undefined;
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
  /** A binary heap: the parent of the timer at i is at (i - 1) / 2 and is due no later. */
  readonly #heap: Timer[] = [];
  /** Wall-clock time less the steady time: changes when somebody sets the clock. */
  #offsetMs = 0;
  #waiting = 0;

  readonly #settle: () => Promise<void>;

  /**
   * @param startMs milliseconds since 1970; some date in 2026 unless given
   * @param settle resolves when all promises have gone on as far as they can; a turn of the event loop unless given, so that
   * real files and sockets go on too
   */
  constructor(startMs = 1_780_000_000_000, settle: () => Promise<void> = turnOfLoop) {
    this.#nowMs = startMs;
    this.#settle = settle;
  }

  now(): number {
    return this.#nowMs + this.#offsetMs;
  }

  uptimeMs(): number {
    return this.#nowMs;
  }

  /** Sets the wall clock forward (or back, when negative) at once, as a person or NTP does. Timers are not touched. */
  jump(ms: number): void {
    this.#offsetMs += ms;
  }

  /** Lets `ms` pass at once while no timer fires, as when the process was stopped; what fell due meanwhile fires afterwards. */
  freeze(ms: number): void {
    this.#nowMs += ms;
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
    this.#push(timer);
    this.#waiting += 1;
    return () => {
      if (timer.fn !== undefined) this.#waiting -= 1;
      timer.fn = undefined;
    };
  }

  /** How many timers are set. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Moves time forward by `ms`, firing what falls due on the way, each at its own time. What a timer sets off by
   * promises runs before the next timer fires.
   */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await this.#settle();
    for (let fired = 0; ; fired += 1) {
      const next = this.#takeDue(endMs);
      if (next === undefined) break;
      if (fired === timersPerAdvance) {
        throw new TidepoolError('internal', `${timersPerAdvance} timers fired in one advance of ${ms} ms`);
      }
      next();
      await this.#settle();
    }
    this.#nowMs = endMs;
  }

  /**
   * Moves time forward by `ms` if no timer falls due on the way, and tells whether it did. Promises do not go on
   * meanwhile, so this is only for when nothing is under way; it is far quicker than `advance`.
   */
  skip(ms: number): boolean {
    const next = this.#heap[0];
    if (next !== undefined && next.dueMs <= this.#nowMs + ms) return false;
    this.#nowMs += ms;
    return true;
  }

  /** The function of the next timer that is due by then; its time is now. */
  #takeDue(endMs: number): (() => void) | undefined {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.dueMs > endMs) return undefined;
      this.#pop();
      const { fn } = next;
      if (fn === undefined) continue;
      next.fn = undefined;
      this.#waiting -= 1;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      return fn;
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || isBefore(parent, timer)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (isBefore(last, child)) break;
      heap[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    heap[at] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

/** Lets every promise that can go on go on: the macrotask comes after all microtasks that are there. */
function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
