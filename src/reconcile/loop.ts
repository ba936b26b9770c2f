import type { Clock } from '../domain/clock.ts';

/**
 * The one loop of Tidepool. A step takes no input: it reads what is, compares it with what should be and does the next
 * small thing. `wake` only makes it run sooner; runs never overlap; the period is the retry after an error.
 */
export interface Loop {
  /** Run soon. Many calls during one run make one further run. */
  wake(): void;
  /** No further run starts; resolves when the present one has ended. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly periodMs: number;
  step(signal: AbortSignal): Promise<void>;
  /** Told of every error of a step; the loop goes on. */
  onError(error: unknown): void;
}

/** Runs the step now and then again after each period, until stopped. Never throws. */
export function startLoop(options: LoopOptions): Loop {
  const stopping = new AbortController();
  let wakeUp: (() => void) | undefined;
  let woken = true;

  const pause = async (): Promise<void> => {
    if (woken || stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const cancel = options.clock.after(options.periodMs, resolve);
      wakeUp = () => {
        cancel();
        resolve();
      };
    });
    wakeUp = undefined;
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      woken = false;
      try {
        await options.step(stopping.signal);
      } catch (error) {
        if (!stopping.signal.aborted) options.onError(error);
      }
      await pause();
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
