import { type TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { JobContext } from './context.ts';

/** Trouble of ours that lasts for this long is worth an alert. */
const lastsMs = 5_000;
/** The pool under which events about all jobs are found. */
const eventPool = 'jobs';

interface Held {
  readonly sinceMs: number;
  readonly message: string;
}

/**
 * Raises one alert while jobs wait for something of ours, e.g. for room on the disk, and clears it afterwards. Each damaged blob
 * is trouble of its own: it lasts until somebody heals it, and must not hide what else there is.
 */
export class OwnAlert {
  readonly #context: Pick<JobContext, 'store' | 'clock' | 'changes' | 'log'>;
  /** Jobs that wait. */
  readonly #held = new Map<string, Held>();
  /** What was told since none waited last: damaged blobs by their ids, and '' for everything else. */
  readonly #raised = new Set<string>();

  constructor(context: Pick<JobContext, 'store' | 'clock' | 'changes' | 'log'>) {
    this.#context = context;
  }

  /** A job waits for something of ours. Never rejects: an alert that cannot be written down is tried again later. */
  async failed(jobId: string, { message, details }: Pick<TidepoolError, 'message' | 'details'>): Promise<void> {
    const nowMs = this.#context.clock.uptimeMs();
    const sinceMs = this.#held.get(jobId)?.sinceMs ?? nowMs;
    this.#held.set(jobId, { sinceMs, message });
    const { damagedBlob = null } = details;
    const about = String(damagedBlob ?? '');
    if (this.#raised.has(about) || nowMs - sinceMs < lastsMs) return;
    this.#raised.add(about);
    const text = `jobs wait for something of ours: ${message}; none is lost, and they go on when it is well again`;
    if (!(await this.#tell('alert.raised', text, { error: message, damagedBlob }))) this.#raised.delete(about);
  }

  recovered(jobId: string): void {
    this.#held.delete(jobId);
    if (this.#raised.size === 0 || this.#held.size > 0) return;
    this.#raised.clear();
    void this.#tell('alert.cleared', 'jobs go on', {});
  }

  /** What of ours a job waits for; undefined when it does not. */
  troubleOf(jobId: string): string | undefined {
    return this.#held.get(jobId)?.message;
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
