/** Time in the guest. The agent is bundled apart from the control plane, so it has its own small clock. */
export interface AgentClock {
  /** Milliseconds since 1970, by the guest's clock, which is set while attempts run. For stamps only. */
  now(): number;
  /** Steady milliseconds from an origin without meaning. For durations and deadlines: nobody can set it. */
  uptimeMs(): number;
  /** Runs `fn` once after `ms`; the returned function cancels it. */
  after(ms: number, fn: () => void): () => void;
}

export const systemClock: AgentClock = {
  now: () => Date.now(),
  uptimeMs: () => performance.now(),
  after: (ms, fn) => {
    // Node turns a longer delay into 1 ms; a week, the longest limit of a job, is far below that.
    const timer = setTimeout(fn, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`, or as soon as the signal fires. */
export function sleep(clock: AgentClock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const wake = (): void => {
      cancel();
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    const cancel = clock.after(ms, wake);
    signal?.addEventListener('abort', wake, { once: true });
  });
}
