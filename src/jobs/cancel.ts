import { TidepoolError } from '../domain/errors.ts';
import type { CancelFilter } from '../domain/job-store.ts';
import type { Changes } from '../reconcile/changes.ts';
import type { JobContext } from './context.ts';

type Context = Pick<JobContext, 'store' | 'clock' | 'changes'>;

/** What wakes those who carry a job when somebody wants it ended. */
export function cancelTopic(jobId: string): string {
  return `cancel ${jobId}`;
}

/** Cancels one job. Errors: `not_found`, `conflict` (it has ended). */
export async function cancelJob({ store, clock, changes }: Context, id: string): Promise<void> {
  const done = await store.jobs.cancel(id, clock.now());
  if (done === 'unknown') throw new TidepoolError('not_found', `there is no job ${id}`);
  if (done === 'ended') throw new TidepoolError('conflict', `job ${id} has ended already; it cannot be cancelled`);
  notify(changes, id);
}

/** Jobs of one transaction: few enough that others need not wait long. */
const batch = 1_000;

/** Cancels every job that the filter names: queued ones at once, on others their worker is told to end them. */
export async function cancelJobs(
  { store, clock, changes }: Context,
  filter: CancelFilter,
): Promise<{ cancelled: number; stopping: number }> {
  const counts = { cancelled: 0, stopping: 0 };
  for (;;) {
    const { cancelled, requested } = await store.jobs.cancelMany(filter, batch, clock.now());
    counts.cancelled += cancelled.length;
    counts.stopping += requested.length;
    for (const id of [...cancelled, ...requested]) notify(changes, id);
    if (cancelled.length + requested.length < batch) break;
  }
  changes.notify('queue');
  return counts;
}

function notify(changes: Changes, id: string): void {
  changes.notify(id);
  changes.notify(cancelTopic(id));
}
