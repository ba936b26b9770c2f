import { type Clock, sleepAborted } from '../domain/clock.ts';

/** Node's timers fire at once for longer times (a signed 32-bit number of milliseconds). */
const longestTimerMs = 2 ** 31 - 1;

/** Real time. The only place of the control plane that reads the system's clock or sets a timer. */
export const systemClock: Clock = {
  now: () => Date.now(),
  uptimeMs: () => performance.now(),

  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(sleepAborted());
      const timer = setTimeout(finish, timerMs(ms));
      const onAbort = () => {
        clearTimeout(timer);
        reject(sleepAborted());
      };
      function finish() {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },

  after(ms, fn) {
    const timer = setTimeout(fn, timerMs(ms));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

function timerMs(ms: number): number {
  return Math.min(Math.max(0, ms), longestTimerMs);
}
