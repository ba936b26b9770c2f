import { eachApart } from './apart.ts';
import type { StorageContext } from './context.ts';
import { strangersUntilMs } from './strangers.ts';

/** What is younger than this may belong to something that is just being written down. */
export const graceMs = 3_600_000;
/** Ids in one question to the database. */
const batch = 1_000;

/**
 * Mark and sweep: removes blobs that no job and no revision of a service refers to, and logs of jobs that are not there.
 *
 * The folder is read before the references are: what is put later is too young to be removed, and what is referred to anew
 * is held until that is written down (BlobStore.hold). Files of another database stay. A crash leaves less to do, or the same again.
 */
export async function sweepStorage(context: StorageContext): Promise<{ blobs: number; bytes: number; logs: number }> {
  const olderThanMs = context.clock.now() - graceMs;
  const strangersMs = await strangersUntilMs(context, olderThanMs);
  const isMeant = ({ changedAtMs }: { changedAtMs: number }): boolean =>
    changedAtMs <= olderThanMs && changedAtMs > strangersMs;
  const done = { blobs: 0, bytes: 0, logs: await sweepLogs(context, isMeant) };
  for await (const blobs of batches(context.blobs.list(), isMeant)) {
    const used = await inUse(
      context,
      blobs.map(({ id }) => id),
    );
    // All at once, in the turn in which the answer came that nobody needs them: one that waited for another could find
    // that somebody has written down meanwhile that it is needed, and let go of it.
    const removed = await eachApart(
      context,
      'removing blobs',
      blobs.filter(({ id }) => !used.has(id)),
      ({ id }) => context.blobs.remove(id, olderThanMs),
    );
    done.blobs += removed.length;
    done.bytes += removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }
  if (done.blobs + done.logs > 0)
    context.log(`removed ${done.blobs} blobs (${done.bytes} bytes) and ${done.logs} logs that nothing refers to`);
  return done;
}

/** Removes those of these blobs at once that nobody holds or refers to. */
export async function discardBlobs(context: StorageContext, ids: readonly string[]): Promise<void> {
  const used = await inUse(context, ids);
  await eachApart(
    context,
    'removing blobs',
    ids.filter((id) => !used.has(id)),
    (id) => context.blobs.remove(id, Number.POSITIVE_INFINITY),
  );
}

async function inUse({ store }: StorageContext, ids: readonly string[]): Promise<Set<string>> {
  const used = await store.storage.inUse(ids);
  for (const { name } of await store.services.list()) {
    for (const { spec } of await store.services.revisions(name)) for (const { blob } of spec.files) used.add(blob);
  }
  return used;
}

async function sweepLogs(context: StorageContext, isMeant: (log: { changedAtMs: number }) => boolean): Promise<number> {
  const { store, logs } = context;
  let removed = 0;
  for await (const some of batches(logs.list(), isMeant)) {
    const known = await store.storage.known(some.map(({ jobId }) => jobId));
    const strays = some.filter((one) => !known.has(one.jobId));
    const gone = await eachApart(context, 'removing logs', strays, async ({ jobId, attempt }) => {
      await logs.remove(jobId, attempt);
      return true;
    });
    removed += gone.length;
  }
  return removed;
}

async function* batches<T>(source: AsyncIterable<T>, isMeant: (one: T) => boolean): AsyncGenerator<T[]> {
  let some: T[] = [];
  for await (const one of source) {
    if (isMeant(one)) some.push(one);
    if (some.length < batch) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}
