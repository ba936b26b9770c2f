import type { Clock } from '../domain/clock.ts';

/** A timer that comes later than this shows that our own process stood still, and perhaps the whole host with it. */
const lateMs = 500;
/** After a stall, answers that came meanwhile are read for this long. */
const graceMs = 1_000;
/** A process that is late again and again must still come to an end of each wait. */
const mostGraces = 2;

/** Returns whether a wait of at most `limitMs` took longer than the other side can be blamed for. */
function wasLate(tookMs: number, limitMs: number): boolean {
  return tookMs > limitMs + lateMs;
}

/**
 * Runs `fn` after `ms`, as `Clock.after` does, but not straight after a stall of our own process: timers run before sockets
 * then, and an answer that has been there for long would count as missing. Sockets are read for a second first. The returned
 * function cancels it.
 */
export function afterListening(clock: Clock, ms: number, fn: () => void): () => void {
  let cancel = (): void => undefined;
  const wait = (forMs: number, graces: number): void => {
    const sinceMs = clock.uptimeMs();
    cancel = clock.after(forMs, () => {
      const isLate = wasLate(clock.uptimeMs() - sinceMs, forMs);
      if (isLate && graces < mostGraces) wait(Math.min(forMs, graceMs), graces + 1);
      else fn();
    });
  };
  wait(Math.max(0, ms), 0);
  return () => cancel();
}

/** A question that got no answer, in milliseconds of `Clock.uptimeMs`. */
export interface Unanswered {
  readonly askedAtMs: number;
  readonly nowMs: number;
  /** How long the answer was to be waited for. */
  readonly limitMs: number;
}

export interface SilenceOptions {
  /** The pause between two questions. A longer gap between them is our own doing. */
  readonly pauseMs: number;
  /**
   * Maximum number of late waits in a row that do not count, for callers that must come to a verdict on a host that always
   * lags. Unless given, a late wait never counts.
   */
  readonly mostLate?: number;
}

/**
 * Judges another side by the questions that it left unanswered: only those count that we waited for on time, so no stall of
 * our own process is charged to it. Pure.
 */
export class Silence {
  readonly #options: SilenceOptions;
  #chargedMs = 0;
  #late = 0;
  #lastMs: number | undefined;

  constructor(options: SilenceOptions) {
    this.#options = options;
  }

  /** Milliseconds of silence that count, since the last answer. */
  get chargedMs(): number {
    return this.#chargedMs;
  }

  answered(nowMs: number): void {
    this.#chargedMs = 0;
    this.#late = 0;
    this.#lastMs = nowMs;
  }

  /** Notes a question without an answer. Returns whether it counts against the other side. */
  missed({ askedAtMs, nowMs, limitMs }: Unanswered): boolean {
    const { pauseMs, mostLate = Number.POSITIVE_INFINITY } = this.#options;
    const gapMs = askedAtMs - (this.#lastMs ?? askedAtMs);
    this.#lastMs = nowMs;
    this.#late = wasLate(nowMs - askedAtMs, limitMs) ? this.#late + 1 : 0;
    if (this.#late > 0 && this.#late <= mostLate) return false;
    this.#chargedMs += Math.min(gapMs, pauseMs) + (nowMs - askedAtMs);
    return true;
  }
}
