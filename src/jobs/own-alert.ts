import { toTidepoolError } from '../domain/errors.ts';
import type { JobContext } from './context.ts';

/** Trouble of ours that lasts for this long is worth an alert. */
const lastsMs = 30_000;
/** The pool under which events about all jobs are found. */
const eventPool = 'jobs';

/** Raises one alert while jobs wait for something of ours, e.g. for room on the disk, and clears it afterwards. */
export class OwnAlert {
  readonly #context: Pick<JobContext, 'store' | 'clock' | 'changes' | 'log'>;
  /** Jobs that wait, with the times since when. */
  readonly #sinceMs = new Map<string, number>();
  #isRaised = false;

  constructor(context: Pick<JobContext, 'store' | 'clock' | 'changes' | 'log'>) {
    this.#context = context;
  }

  /** A job waits for something of ours. Never rejects: an alert that cannot be written down is tried again later. */
  async failed(jobId: string, message: string): Promise<void> {
    const nowMs = this.#context.clock.uptimeMs();
    const sinceMs = this.#sinceMs.get(jobId) ?? nowMs;
    this.#sinceMs.set(jobId, sinceMs);
    if (this.#isRaised || nowMs - sinceMs < lastsMs) return;
    this.#isRaised = true;
    const text = `jobs wait for something of ours: ${message}; none is lost, and they go on when it is well again`;
    this.#isRaised = await this.#tell('alert.raised', text, { error: message });
  }

  recovered(jobId: string): void {
    this.#sinceMs.delete(jobId);
    if (!this.#isRaised || this.#sinceMs.size > 0) return;
    this.#isRaised = false;
    void this.#tell('alert.cleared', 'jobs go on', {});
  }

  async #tell(name: 'alert.raised' | 'alert.cleared', text: string, data: Record<string, unknown>): Promise<boolean> {
    const { store, clock, changes, log } = this.#context;
    log(text);
    try {
      await store.events.append({ atMs: clock.now(), name, pool: eventPool, vm: null, text, data });
      changes.notify('events');
      return true;
    } catch (error) {
      log(`an alert could not be written down: ${toTidepoolError(error).message}`);
      return false;
    }
  }
}
