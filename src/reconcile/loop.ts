import type { Clock } from '../domain/clock.ts';
import { Backoff } from './backoff.ts';

/**
 * The one loop of Tidepool. A step takes no input: it reads what is, compares it with what should be and does the next
 * small thing. `wake` only makes it run sooner; runs never overlap. After a step that threw, the next one waits for the
 * loop's backoff, also when it was woken meanwhile: a step that fails must not be what makes itself run again.
 */
export interface Loop {
  /** Run soon. Many calls during one run make one further run. */
  wake(): void;
  /** No further run starts; resolves when the present one has ended. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  /** For the jitter of its pauses after errors, so another for each loop. */
  readonly name: string;
  readonly clock: Clock;
  readonly periodMs: number;
  /**
   * After a step the loop rests for as long as the step took, at most for this long; unless given, not at all. For loops that
   * are woken all the time, and would else take all of the process.
   */
  readonly mostRestMs?: number;
  /**
   * Least time between two steps once some have followed each other at once; none unless given. For loops that their own steps wake:
   * a pair of opposite decisions must not take all of the process. The first reactions are never slowed.
   */
  readonly leastGapMs?: number;
  step(signal: AbortSignal): Promise<void>;
  /** Receives every error of a step; the loop goes on. */
  onError(error: unknown): void;
}

/** Longest rest of a loop with a shorter period: who is well again must be seen soon, and the rest keeps a storm away. */
const longestRestMs = 2_000;

/** Number of steps that may follow each other without a gap; one more may for each gap that passes. */
const quickSteps = 20;

/** Runs the step now and then again after each period, until stopped. Never throws. */
export function startLoop(options: LoopOptions): Loop {
  const { name, clock, periodMs, mostRestMs = 0, leastGapMs = 0 } = options;
  let quickLeft = quickSteps;
  let quickSinceMs = clock.uptimeMs();
  const stopping = new AbortController();
  const backoff = new Backoff(`loop ${name}`, { longestPauseMs: Math.max(periodMs, longestRestMs) });
  let wakeUp: (() => void) | undefined;
  let woken = true;

  /** Resolves after this time, or when it is stopped, or (unless it must rest) woken. */
  const wait = async (ms: number, mustRest: boolean): Promise<void> => {
    if (stopping.signal.aborted || (woken && !mustRest)) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(ms, resolve);
      wakeUp = () => {
        if (mustRest && !stopping.signal.aborted) return;
        cancel();
        resolve();
      };
    });
    wakeUp = undefined;
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      woken = false;
      let restMs = 0;
      const begunAtMs = clock.uptimeMs();
      if (leastGapMs > 0) {
        quickLeft = Math.min(quickSteps, quickLeft + (begunAtMs - quickSinceMs) / leastGapMs) - 1;
        quickSinceMs = begunAtMs;
      }
      try {
        await options.step(stopping.signal);
        backoff.succeeded();
        restMs = Math.min(clock.uptimeMs() - begunAtMs, mostRestMs);
      } catch (error) {
        if (stopping.signal.aborted) return;
        restMs = backoff.failed(clock.uptimeMs());
        options.onError(error);
      }
      if (leastGapMs > 0 && quickLeft < 1) restMs = Math.max(restMs, leastGapMs);
      if (restMs > 0) await wait(restMs, true);
      if (periodMs > restMs) await wait(periodMs - restMs, false);
    }
  };
  const ended = run();

  return {
    wake() {
      woken = true;
      wakeUp?.();
    },
    async stop() {
      stopping.abort();
      wakeUp?.();
      await ended;
    },
  };
}
