import type { JobStore } from '../domain/job-store.ts';
import type { QueuedJob, QueueUser, WorkerShape } from '../domain/queue.ts';
import { epsilon } from './resources.ts';
import { fitsShapes } from './worker-shapes.ts';

/** Jobs that one scheduling step looks at, of all users together, and the bounds of what it looks at of each. */
const jobsInAll = 4_000;
const leastOfEach = 8;
const mostOfEach = 100;

interface Window {
  readonly changes: number;
  readonly depth: number;
  readonly jobs: readonly QueuedJob[];
  /** With the first of those that can run, when the first of all could not. By `key`. */
  readonly runnable?: { readonly key: string; readonly jobs: readonly QueuedJob[] };
}

/** What decides whether a job could run now at all. */
export interface Runnable {
  readonly shapes: readonly WorkerShape[];
  maxCpus(user: string): number;
}

/**
 * The first queued jobs of each user, which is all that a scheduling step needs of a queue of any length. When some of them
 * cannot run on any ready worker, or are larger than all that their user may have, the first that can are there as well:
 * else a few of them would keep the whole queue behind them from being seen. What has not changed since the last step is
 * not read again.
 */
export class QueueWindows {
  readonly #jobs: Pick<JobStore, 'queuedOf' | 'runnableOf'>;
  #windows = new Map<string, Window>();

  constructor(jobs: Pick<JobStore, 'queuedOf' | 'runnableOf'>) {
    this.#jobs = jobs;
  }

  /** By user, in the order of the user's queue. @param users those who have queued jobs, as they are now */
  async read(users: readonly QueueUser[], runnable: Runnable): Promise<ReadonlyMap<string, readonly QueuedJob[]>> {
    const depth = Math.min(mostOfEach, Math.max(leastOfEach, Math.floor(jobsInAll / users.length)));
    await this.#readFirst(users, depth);
    await this.#readRunnable(users, depth, runnable);
    return new Map([...this.#windows].map(([name, window]) => [name, window.runnable?.jobs ?? window.jobs]));
  }

  async #readFirst(users: readonly QueueUser[], depth: number): Promise<void> {
    const isCurrent = ({ name, changes }: QueueUser): boolean => {
      const known = this.#windows.get(name);
      return known !== undefined && known.changes === changes && known.depth >= depth;
    };
    const stale = users.filter((user) => !isCurrent(user)).map(({ name }) => name);
    const fresh = stale.length === 0 ? new Map() : await this.#jobs.queuedOf(stale, depth);
    const windows = new Map<string, Window>();
    for (const { name, changes } of users) {
      const known = this.#windows.get(name);
      const jobs = fresh.get(name);
      if (jobs !== undefined) windows.set(name, { changes, depth, jobs });
      else if (known !== undefined) windows.set(name, known);
    }
    this.#windows = windows;
  }

  async #readRunnable(users: readonly QueueUser[], depth: number, { shapes, maxCpus }: Runnable): Promise<void> {
    if (shapes.length === 0) return;
    const keyOf = (name: string): string => `${maxCpus(name)} ${JSON.stringify(shapes)}`;
    const blocked = users.filter(({ name, queued }) => {
      const window = this.#windows.get(name);
      if (window === undefined || queued <= window.jobs.length) return false;
      const most = maxCpus(name) + epsilon;
      return window.jobs.some((job) => job.cpus > most || !fitsShapes(job, shapes));
    });
    const stale = blocked.filter(({ name }) => this.#windows.get(name)?.runnable?.key !== keyOf(name));
    const who = stale.map(({ name }) => ({ name, maxCpus: maxCpus(name) }));
    const found = who.length === 0 ? new Map() : await this.#jobs.runnableOf(who, shapes, depth);
    for (const [name, window] of this.#windows) {
      const key = keyOf(name);
      const jobs = found.get(name);
      if (jobs !== undefined)
        this.#windows.set(name, { ...window, runnable: { key, jobs: merged(window.jobs, jobs) } });
    }
  }
}

/** Both, each job once, in the order of the queue. */
function merged(a: readonly QueuedJob[], b: readonly QueuedJob[]): QueuedJob[] {
  const jobs = new Map([...a, ...b].map((job) => [job.id, job]));
  return [...jobs.values()].sort((one, other) => other.priority - one.priority || (one.id < other.id ? -1 : 1));
}
