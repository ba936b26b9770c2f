import { TidepoolError } from './errors.ts';

/** Time as a port: everything that waits or stamps takes a Clock, so that tests and the simulator own time. */
export interface Clock {
  /** Wall-clock time, milliseconds since 1970. For stamps that people read; somebody may set it forward or back. */
  now(): number;
  /**
   * Steady time in milliseconds from an origin without meaning. For durations, deadlines and backoff: nobody can set it, and
   * it never goes back. Its values mean nothing to another process.
   */
  uptimeMs(): number;
  /** Resolves after `ms`; rejects with code `aborted` when the signal fires first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Runs `fn` once after `ms`; the returned function cancels it. Does not keep the process alive. */
  after(ms: number, fn: () => void): () => void;
}

/** What every Clock's sleep rejects with when its signal fires. */
export function sleepAborted(): TidepoolError {
  return new TidepoolError('aborted', 'the wait was given up by its caller');
}
