import { TidepoolError } from '../domain/errors.ts';
import type { EndedJob } from '../domain/storage.ts';
import type { StorageContext } from './context.ts';

/** Jobs that are looked up at one time. */
const batch = 200;

/**
 * Removes an ended job with its logs; its blobs go with the next sweep, unless others have them too.
 * Errors: `not_found`, `conflict` (it has not ended).
 */
export async function deleteJob(context: StorageContext, { id, attempt }: EndedJob): Promise<void> {
  const done = await context.store.storage.deleteJob(id);
  if (done === 'unknown') throw new TidepoolError('not_found', `there is no job ${id}`);
  if (done === 'active') throw new TidepoolError('conflict', `job ${id} has not ended; cancel it first`);
  for (let number = 1; number <= attempt; number += 1) await context.logs.remove(id, number);
}

/** Removes ended jobs that are older, more, or larger than users may keep. Gives how many. */
export async function applyRetention(context: StorageContext): Promise<number> {
  let removed = 0;
  for (const owner of await context.store.storage.owners()) removed += await retainOf(context, owner);
  if (removed > 0) context.log(`removed ${removed} ended jobs that are past what is kept`);
  return removed;
}

async function retainOf(context: StorageContext, owner: string): Promise<number> {
  const { store, clock, rules } = context;
  const { maxAgeMs, maxJobs, maxBytes } = rules.retention;
  let removed = 0;
  const removeAll = async (jobs: readonly EndedJob[]): Promise<boolean> => {
    for (const job of jobs) await deleteJob(context, job);
    removed += jobs.length;
    return jobs.length > 0;
  };
  if (Number.isFinite(maxAgeMs)) {
    const beforeMs = clock.now() - maxAgeMs;
    while (await removeAll(await store.storage.ended(owner, { limit: batch, beforeMs })));
  }
  if (Number.isFinite(maxJobs)) {
    while (await removeAll(await store.storage.ended(owner, { limit: batch, withoutNewest: maxJobs })));
  }
  if (Number.isFinite(maxBytes)) {
    // One at a time: how much goes with a job depends on which others have its blobs.
    while ((await store.storage.usedBytes(owner, [])) > maxBytes) {
      if (!(await removeAll(await store.storage.ended(owner, { limit: 1 })))) break;
    }
  }
  return removed;
}
