import type { Clock } from '../domain/clock.ts';

/** Steps are a second apart; when more than this lies between two, the server stood still or was too busy to look. */
const longestStepMs = 5_000;
/** Clocks and timers are never exact. */
const slackMs = 1_000;

/** What the times of the past have to be moved by, in milliseconds. */
export interface LostTime {
  /** So that time in which nobody looked is charged to nobody. */
  readonly lostMs: number;
  /** How far somebody set the wall clock forward (back, when negative). */
  readonly jumpMs: number;
}

/** Tells time that passed from time that was lost: a clock that was set, and a server that stood still. */
export class StepTimes {
  #last: { readonly wallMs: number; readonly uptimeMs: number } | undefined;

  /** To be called once in each step. */
  step(clock: Pick<Clock, 'now' | 'uptimeMs'>): LostTime {
    const last = this.#last;
    const now = { wallMs: clock.now(), uptimeMs: clock.uptimeMs() };
    this.#last = now;
    if (last === undefined) return { lostMs: 0, jumpMs: 0 };
    const elapsedMs = now.uptimeMs - last.uptimeMs;
    const wallMs = now.wallMs - last.wallMs;
    return {
      lostMs: beyondSlack(wallMs - Math.min(elapsedMs, longestStepMs)),
      jumpMs: beyondSlack(wallMs - elapsedMs),
    };
  }
}

function beyondSlack(ms: number): number {
  return Math.abs(ms) > slackMs ? ms : 0;
}
