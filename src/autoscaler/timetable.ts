import { Cron } from 'croner';

/** When something is on: from each firing of `start` to the next firing of `end`. */
export interface Times {
  readonly start: string;
  readonly end: string;
  readonly timezone: string;
}

/** The part of a cron expression's object that is used here. Making one, and asking it, take a tenth of a millisecond and more. */
export interface Firings {
  nextRun(after: Date): Date | null;
  previousRuns(count: number, before: Date): Date[];
}

/** While it is the same: on or off. */
interface Stretch {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly isOn: boolean;
}

const hourMs = 3_600_000;
/** A policy asks for now and for when a VM launched now would be ready. */
const keptStretches = 4;
/** Firings that are looked at for what is likely a mistake: almost three weeks of a daily one. */
const checkedFirings = 20;

/**
 * Times by cron expressions: it is on when the last firing of `start` is later than the last firing of `end`. A start that
 * fires again while it is on changes nothing. A firing in the hour that summer time skips comes when that hour would end,
 * and one in the hour that winter time repeats comes once, the first time. Expressions are evaluated only when the
 * answer may have changed.
 */
export class Timetable {
  readonly #start: Firings;
  readonly #end: Firings;
  #stretches: readonly Stretch[] = [];

  constructor(times: Times, make: (pattern: string, timezone: string) => Firings = cron) {
    this.#start = make(times.start, times.timezone);
    this.#end = make(times.end, times.timezone);
  }

  isOn(atMs: number): boolean {
    const known = this.#stretches.find(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs);
    const stretch = known ?? this.#stretchAt(atMs);
    if (known === undefined) this.#stretches = [stretch, ...this.#stretches].slice(0, keptStretches);
    return stretch.isOn;
  }

  /**
   * What is likely not meant, in words: times that never begin, that last for more than a day, or that begin again before they
   * have ended.
   */
  doubts(fromMs: number): string[] {
    let longestMs = 0;
    let isRepeated = false;
    let startMs = nextMs(this.#start, fromMs);
    for (let i = 0; i < checkedFirings && Number.isFinite(startMs); i += 1) {
      // An end at the moment of the start leaves nothing of it.
      const endMs = nextMs(this.#end, startMs - 1);
      const againMs = nextMs(this.#start, startMs);
      longestMs = Math.max(longestMs, endMs - startMs);
      isRepeated ||= againMs < endMs;
      startMs = againMs;
    }
    const doubts: string[] = [];
    if (longestMs === 0) doubts.push('each start comes at the moment of an end, so it is never on');
    // A day has 25 hours when winter time begins.
    if (longestMs > 25 * hourMs)
      doubts.push(`it is on for up to ${Math.round(longestMs / hourMs)} hours without a break`);
    if (isRepeated) doubts.push('its start fires again before its end, which changes nothing');
    return doubts;
  }

  #stretchAt(atMs: number): Stretch {
    const startedMs = lastMs(this.#start, atMs);
    const endedMs = lastMs(this.#end, atMs);
    return {
      fromMs: Math.max(startedMs, endedMs),
      untilMs: Math.min(nextMs(this.#start, atMs), nextMs(this.#end, atMs)),
      isOn: startedMs > endedMs,
    };
  }
}

function cron(pattern: string, timezone: string): Firings {
  return new Cron(pattern, { timezone, paused: true });
}

/** The first firing after a time. */
function nextMs(firings: Firings, atMs: number): number {
  return firings.nextRun(new Date(atMs))?.getTime() ?? Number.POSITIVE_INFINITY;
}

/** The last firing at a time or before it. */
function lastMs(firings: Firings, atMs: number): number {
  // It answers with those before a whole second.
  const before = new Date(Math.floor(atMs / 1_000) * 1_000 + 1_000);
  return firings.previousRuns(1, before)[0]?.getTime() ?? Number.NEGATIVE_INFINITY;
}
