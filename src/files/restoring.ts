import { readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import { gone } from './durable.ts';

/** Names in a data folder that a backup is being restored to. */
export interface RestoringPaths {
  /** Folder in which the restore prepares what becomes the content of the data folder. */
  readonly draft: string;
  /** A JSON list of the names that the restore moves to the data folder; empty before that. It is there until all of them are. */
  readonly marker: string;
  /** Held by the restore that works. */
  readonly lock: string;
}

/** Returns the names that a restore uses in a data folder. */
export function restoringPaths(dataDir: string): RestoringPaths {
  const draft = join(dataDir, '.restoring');
  return { draft, marker: join(draft, 'tidepool-restore'), lock: join(draft, 'lock') };
}

/** Refuses a data folder that a restore works on, or was cut off on. Error: `conflict`. */
export async function requireRestored(dataDir: string): Promise<void> {
  const { draft, marker, lock } = restoringPaths(dataDir);
  if ((await stat(marker).catch(gone)) !== undefined)
    throw new TidepoolError(
      'conflict',
      `The data folder ${dataDir} is only half restored: a restore works on it, or was cut off. Run "tidepool restore" again: ` +
        `it begins anew by itself. Or take another folder, and remove this one (${draft} marks it)`,
    );
  const left = await readdir(draft).catch(gone);
  // A restore that was killed after its end has left no more than its lock.
  if (left?.every((name) => name.startsWith(basename(lock)))) await rm(draft, { recursive: true });
}
