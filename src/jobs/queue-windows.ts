import type { JobStore } from '../domain/job-store.ts';
import type { QueuedJob, QueueUser } from '../domain/queue.ts';

/** Jobs that one scheduling step looks at, of all users together, and the bounds of what it looks at of each. */
const jobsInAll = 4_000;
const leastOfEach = 8;
const mostOfEach = 100;

interface Window {
  readonly changes: number;
  readonly depth: number;
  readonly jobs: readonly QueuedJob[];
}

/**
 * The first queued jobs of each user, which is all that a scheduling step needs of a queue of any length. What has not
 * changed since the last step is not read again.
 */
export class QueueWindows {
  readonly #jobs: Pick<JobStore, 'queuedOf'>;
  #windows = new Map<string, Window>();

  constructor(jobs: Pick<JobStore, 'queuedOf'>) {
    this.#jobs = jobs;
  }

  /** By user, in the order of the user's queue. @param users those who have queued jobs, as they are now */
  async read(users: readonly QueueUser[]): Promise<ReadonlyMap<string, readonly QueuedJob[]>> {
    const depth = Math.min(mostOfEach, Math.max(leastOfEach, Math.floor(jobsInAll / users.length)));
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
    return new Map([...windows].map(([name, { jobs }]) => [name, jobs]));
  }
}
