import type { JobStore } from '../domain/job-store.ts';
import type { QueuedJob, QueueUser, WorkerShape } from '../domain/queue.ts';
import { epsilon } from './resources.ts';
import { fitsShapes } from './worker-shapes.ts';

/** Jobs that one scheduling step looks at, of all users together, and the bounds of what it looks at of each. */
const jobsInAll = 2_000;
const leastOfEach = 4;
const mostOfEach = 100;
/** Jobs that one query reads: between two queries the event loop goes on. */
const jobsAtOnce = 500;

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
    const fresh = new Map<string, readonly QueuedJob[]>();
    const atOnce = Math.ceil(jobsAtOnce / depth);
    for (let at = 0; at < stale.length; at += atOnce) {
      const read = await this.#jobs.queuedOf(stale.slice(at, at + atOnce), depth);
      for (const [name, jobs] of read) fresh.set(name, jobs);
    }
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
    const kinds = JSON.stringify(shapes);
    const keyOf = (name: string): string => `${maxCpus(name)} ${kinds}`;
    const blocked = users.filter(({ name, queued }) => {
      const window = this.#windows.get(name);
      if (window === undefined || queued <= window.jobs.length) return false;
      const most = maxCpus(name) + epsilon;
      return window.jobs.some((job) => job.cpus > most || !fitsShapes(job, shapes));
    });
    const stale = blocked.filter(({ name }) => this.#windows.get(name)?.runnable?.key !== keyOf(name));
    for (const { name } of stale) {
      // One user at a time: the query may go through very many jobs.
      const found = await this.#jobs.runnableOf([{ name, maxCpus: maxCpus(name) }], shapes, depth);
      const [window, jobs] = [this.#windows.get(name), found.get(name)];
      if (window === undefined || jobs === undefined) continue;
      this.#windows.set(name, { ...window, runnable: { key: keyOf(name), jobs: merged(window.jobs, jobs) } });
    }
  }
}

/** Both, each job once, in the order of the queue. */
function merged(a: readonly QueuedJob[], b: readonly QueuedJob[]): QueuedJob[] {
  const jobs = new Map([...a, ...b].map((job) => [job.id, job]));
  return [...jobs.values()].sort((one, other) => other.priority - one.priority || (one.id < other.id ? -1 : 1));
}
