import { TidepoolError } from '../domain/errors.ts';
import type { EndedJob } from '../domain/storage.ts';
import { apart, eachApart } from './apart.ts';
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
  await removeLogs(context, { id, attempt });
}

/** Removes an ended job unless it has gone meanwhile; then false. */
async function removeJob(context: StorageContext, job: EndedJob): Promise<boolean> {
  if ((await context.store.storage.deleteJob(job.id)) !== 'deleted') return false;
  await removeLogs(context, job);
  return true;
}

async function removeLogs({ logs }: StorageContext, { id, attempt }: EndedJob): Promise<void> {
  for (let number = 1; number <= attempt; number += 1) await logs.remove(id, number);
}

/**
 * Removes ended jobs that are older, more, or larger than users may keep. Gives how many. A job that somebody else deletes
 * at the same time, or that cannot be deleted, does not keep the others.
 */
export async function applyRetention(context: StorageContext): Promise<number> {
  let removed = 0;
  for (const owner of await context.store.storage.owners()) {
    await apart(context, `what is kept of ${owner}'s jobs`, async () => {
      removed += await retainOf(context, owner);
    });
  }
  if (removed > 0) context.log(`removed ${removed} ended jobs that are past what is kept`);
  return removed;
}

async function retainOf(context: StorageContext, owner: string): Promise<number> {
  const { store, clock, rules } = context;
  const { maxAgeMs, maxJobs, maxBytes } = rules.retention;
  let removed = 0;
  const removeAll = async (jobs: readonly EndedJob[]): Promise<boolean> => {
    const gone = await eachApart(context, `removing ended jobs of ${owner}`, jobs, (job) => removeJob(context, job));
    removed += gone.length;
    // Those that cannot be removed now come first in the next page again; the next run tries them.
    return gone.length > 0;
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
