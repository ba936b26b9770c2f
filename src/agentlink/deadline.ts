import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { afterListening } from '../reconcile/lateness.ts';

/** A signal that fires when a call's time is up, or when its caller gives up. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Starts the time anew, for a transfer that still moves. */
  renew(): void;
  /** Takes the time limit off; the caller can still give up. */
  hold(): void;
  clear(): void;
}

/**
 * A deadline that runs from now on. Its signal's reason is a TidepoolError, `timeout` or `aborted`.
 * @param what for the message: what took too long
 * @param graceMs how long after `caller` fired it does, for a call that takes its leave by then
 */
export function deadline(clock: Clock, limitMs: number, what: string, caller?: AbortSignal, graceMs = 0): Deadline {
  const controller = new AbortController();
  const expire = (): void => controller.abort(new TidepoolError('timeout', `${what} took longer than ${limitMs} ms`));
  const giveUp = (): void => controller.abort(new TidepoolError('aborted', `${what} was given up`));
  let cancel = afterListening(clock, limitMs, expire);
  let cancelGrace = (): void => undefined;
  const callerGone = (): void => {
    if (graceMs === 0) giveUp();
    else cancelGrace = clock.after(graceMs, giveUp);
  };
  if (caller?.aborted === true) giveUp();
  caller?.addEventListener('abort', callerGone, { once: true });
  return {
    signal: controller.signal,
    renew: () => {
      cancel();
      cancel = afterListening(clock, limitMs, expire);
    },
    hold: () => cancel(),
    clear: () => {
      cancel();
      cancelGrace();
      caller?.removeEventListener('abort', callerGone);
    },
  };
}

/** Makes a call and clears its deadline, however it ends. */
export async function within<T>(limit: Deadline, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } finally {
    limit.clear();
  }
}
