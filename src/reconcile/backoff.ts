/** How long a retry waits. All in milliseconds. */
export interface BackoffOptions {
  /** Pause after the first failure. Each further failure in a row doubles the pause. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

const usual: BackoffOptions = { firstPauseMs: 1_000, longestPauseMs: 30_000 };
/** Pauses differ from the plain ones by at most this share, so that retries of many do not come at one moment. */
const jitter = 0.2;

/**
 * The pause before the next try after tries that failed in a row: 1, 2, 4 ... 30 seconds unless given otherwise, each with
 * jitter. Every retry in Tidepool takes its pause from here. Times are those of `Clock.uptimeMs`. The jitter follows from the
 * name and the number of failures alone: names differ, and a simulated run is the same each time.
 */
export class Backoff {
  readonly #name: string;
  readonly #options: BackoffOptions;
  #failures = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  /** @param name who retries, e.g. `vm default-0003` */
  constructor(name: string, options: Partial<BackoffOptions> = {}) {
    this.#name = name;
    this.#options = { ...usual, ...options };
  }

  /** Number of failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#notBeforeMs = Number.NEGATIVE_INFINITY;
  }

  /** Returns how long the next try has to wait, in milliseconds. */
  failed(uptimeMs: number): number {
    const { firstPauseMs, longestPauseMs } = this.#options;
    const plainMs = Math.min(longestPauseMs, firstPauseMs * 2 ** this.#failures);
    const pauseMs = plainMs * (1 + jitter * (2 * fractionOf(`${this.#name} ${this.#failures}`) - 1));
    this.#failures += 1;
    this.#notBeforeMs = uptimeMs + pauseMs;
    return pauseMs;
  }

  /** Goes on where an earlier process ended. @param waitMs that was left then; more than the longest pause is not waited */
  restore(failures: number, waitMs: number, uptimeMs: number): void {
    this.#failures = failures;
    const longestMs = this.#options.longestPauseMs * (1 + jitter);
    this.#notBeforeMs = waitMs > 0 ? uptimeMs + Math.min(waitMs, longestMs) : Number.NEGATIVE_INFINITY;
  }

  mayTry(uptimeMs: number): boolean {
    return uptimeMs >= this.#notBeforeMs;
  }

  /** How long the next try still has to wait, in milliseconds; 0 when it may come now. */
  waitMs(uptimeMs: number): number {
    return Math.max(0, this.#notBeforeMs - uptimeMs);
  }
}

/** A backoff for each name: a job, a VM, a runtime. Names are forgotten when they succeed, and the oldest beyond the bound. */
export class Backoffs {
  readonly #options: Partial<BackoffOptions>;
  readonly #mostNames: number;
  readonly #byName = new Map<string, Backoff>();

  /** @param mostNames maximum number of names that are remembered */
  constructor(mostNames: number, options: Partial<BackoffOptions> = {}) {
    this.#mostNames = mostNames;
    this.#options = options;
  }

  succeeded(name: string): void {
    this.#byName.delete(name);
  }

  /** Returns how long the next try has to wait, in milliseconds. */
  failed(name: string, uptimeMs: number): number {
    const backoff = this.#byName.get(name) ?? new Backoff(name, this.#options);
    this.#byName.delete(name);
    this.#byName.set(name, backoff);
    for (const oldest of this.#byName.keys()) {
      if (this.#byName.size <= this.#mostNames) break;
      this.#byName.delete(oldest);
    }
    return backoff.failed(uptimeMs);
  }

  failures(name: string): number {
    return this.#byName.get(name)?.failures ?? 0;
  }

  mayTry(name: string, uptimeMs: number): boolean {
    return this.#byName.get(name)?.mayTry(uptimeMs) ?? true;
  }

  waitMs(name: string, uptimeMs: number): number {
    return this.#byName.get(name)?.waitMs(uptimeMs) ?? 0;
  }
}

/** Returns a number from 0 (inclusive) to 1 (exclusive) that looks random and follows from the text: FNV-1a with 32 bits, finished as MurmurHash3 does. */
export function fractionOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
