/** A guest's clock that is off by more than this is set. */
const maxOffMs = 1_000;
/** A guest's clock is set at most this often. */
const setEveryMs = 60_000;

/** When a guest was asked for its clock, and what it said. */
export interface ClockReading {
  /** What the guest's clock showed when it answered; 0: it does not say. */
  readonly guestMs: number;
  /** Our wall clock when the answer came. */
  readonly nowMs: number;
  /** Time between question and answer, within which the guest's clock was read. */
  readonly tookMs: number;
}

/**
 * Whether a guest's clock is to be set: it drifts under emulation, and stands still while the host is suspended. Pure.
 * @param sinceSetMs time since it was set; infinity when it was not
 */
export function isClockOff({ guestMs, nowMs, tookMs }: ClockReading, sinceSetMs: number): boolean {
  if (!(guestMs > 0) || sinceSetMs < setEveryMs) return false;
  // It was right at some moment between question and answer.
  return guestMs > nowMs + maxOffMs || guestMs < nowMs - tookMs - maxOffMs;
}
