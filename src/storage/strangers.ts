import type { StorageContext } from './context.ts';

/**
 * Returns a time: files that have not changed since are those of another database, and no sweep may remove them. A database that
 * has never known a job or a service beside files that are old has lost what it knew, or is not theirs. It is noted, since the
 * database learns of jobs later.
 * @param olderThanMs what is younger may belong to something that is just being written down
 */
export async function strangersUntilMs(context: StorageContext, olderThanMs: number): Promise<number> {
  const { storage } = context.store;
  const noted = await storage.leftOlderMs();
  if (noted === undefined && ((await storage.hasHistory()) || (await countOld(context, olderThanMs)) === 0))
    return Number.NEGATIVE_INFINITY;
  if (noted === undefined) await storage.leaveOlder(olderThanMs);
  const untilMs = noted ?? olderThanMs;
  const count = await countOld(context, untilMs);
  await context.alert?.(
    count > 0,
    count > 0
      ? `${count} files of jobs are older than all that the database knows, and are kept: it has lost what it knew, or is not ` +
          'theirs; restore a backup into a new folder (docs/backup.md), or move these files away'
      : 'the files that the database did not know are gone',
  );
  return untilMs;
}

async function countOld({ blobs, logs }: StorageContext, untilMs: number): Promise<number> {
  let count = 0;
  for await (const { changedAtMs } of blobs.list()) if (changedAtMs <= untilMs) count += 1;
  for await (const { changedAtMs } of logs.list()) if (changedAtMs <= untilMs) count += 1;
  return count;
}
