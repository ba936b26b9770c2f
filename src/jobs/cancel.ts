import type { CancelFilter } from '../domain/job-store.ts';
import type { JobContext } from './context.ts';

/** Jobs of one transaction: few enough that others need not wait long. */
const batch = 1_000;

/** Cancels every job that the filter names: queued ones at once, on others their worker is told to end them. */
export async function cancelJobs(
  { store, clock, changes }: Pick<JobContext, 'store' | 'clock' | 'changes'>,
  filter: CancelFilter,
): Promise<{ cancelled: number; stopping: number }> {
  const counts = { cancelled: 0, stopping: 0 };
  for (;;) {
    const { cancelled, requested } = await store.jobs.cancelMany(filter, batch, clock.now());
    counts.cancelled += cancelled.length;
    counts.stopping += requested.length;
    for (const id of [...cancelled, ...requested]) changes.notify(id);
    if (cancelled.length + requested.length < batch) break;
  }
  changes.notify('queue');
  return counts;
}
