const firstPauseMs = 500;
const longestPauseMs = 30_000;
/** A life of this length makes what ended before it forgotten. */
const stableMs = 60_000;
/** Lives in a row that may end early: of a service that never served, and of one that did. */
const maxEarlyEnds = { neverServed: 3, served: 8 } as const;

/** How often a service ended lately. */
export interface RestartHistory {
  readonly earlyEnds: number;
  readonly hasServed: boolean;
}

export const noRestarts: RestartHistory = { earlyEnds: 0, hasServed: false };

/**
 * What to do about a service that ended by itself: start it again after `pauseMs`, or give it up (null). Pure.
 * @param servedMs how long its container served; null when it never did
 */
export function afterEnd(
  history: RestartHistory,
  servedMs: number | null,
): { history: RestartHistory; pauseMs: number | null } {
  const hasServed = history.hasServed || servedMs !== null;
  const earlyEnds = (servedMs ?? 0) >= stableMs ? 1 : history.earlyEnds + 1;
  const isTooOften = earlyEnds >= (hasServed ? maxEarlyEnds.served : maxEarlyEnds.neverServed);
  const pauseMs = isTooOften ? null : Math.min(firstPauseMs * 2 ** (earlyEnds - 1), longestPauseMs);
  return { history: { earlyEnds, hasServed }, pauseMs };
}
