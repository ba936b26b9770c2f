import { type AgentClock, sleep } from './clock.ts';

const lookEveryMs = 1_000;

/**
 * The control plane's permission to run attempts, until a moment of this machine's uptime. Each of its requests may carry one
 * (`workUntilHeader`). A machine that hears nothing any more ends its attempts by itself when the permission has run out, so
 * that the control plane may start the jobs elsewhere although it cannot reach this machine. Without a permission ever given
 * there is no limit.
 */
export class WorkLease {
  readonly #uptimeMs: () => number;
  #untilMs = Number.POSITIVE_INFINITY;
  #lapsedAtMs = Number.NEGATIVE_INFINITY;

  /** @param uptimeMs of this machine, and counts while it is suspended: the control plane counts that time too */
  constructor(uptimeMs: () => number) {
    this.#uptimeMs = uptimeMs;
  }

  /** Milliseconds since the machine started, a whole number. */
  get uptimeMs(): number {
    return Math.floor(this.#uptimeMs());
  }

  /** A request came. A permission only grows: requests may overtake each other. @param until of its header, if it has one */
  heard(until: string | readonly string[] | undefined): void {
    const untilMs = typeof until === 'string' && /^\d{1,15}$/.test(until) ? Number(until) : undefined;
    if (untilMs === undefined) return;
    if (this.isLapsed) this.#lapsedAtMs = this.uptimeMs;
    this.#untilMs = this.#untilMs === Number.POSITIVE_INFINITY ? untilMs : Math.max(this.#untilMs, untilMs);
  }

  /** Whether it has run out at any time since then. @param uptimeMs of this machine */
  hasLapsedSince(uptimeMs: number): boolean {
    return this.isLapsed || this.#lapsedAtMs >= uptimeMs;
  }

  /** Until when attempts may run, by this machine's uptime; infinite without a permission ever given. */
  get untilMs(): number {
    return this.#untilMs;
  }

  /** No attempt may run now. */
  get isLapsed(): boolean {
    return this.uptimeMs > this.#untilMs;
  }
}

/** Calls `onLapsed` at each look at which the permission has run out, until the signal fires. */
export async function watchLease(
  lease: WorkLease,
  clock: AgentClock,
  signal: AbortSignal,
  onLapsed: () => void,
): Promise<void> {
  while (!signal.aborted) {
    if (lease.isLapsed) onLapsed();
    await sleep(clock, lookEveryMs, signal);
  }
}
