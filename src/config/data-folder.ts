import { access, constants, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import { absent } from '../files/durable.ts';

const folders = ['blobs', 'logs', 'frontdoor'];
const files = ['tidepool.db', 'tidepool.db-wal', 'admin.token'];
const advice = 'move it away, or restore a backup into a new folder (docs/backup.md)';

/**
 * Makes the data folder where there is none, and looks at one that is there before anything is opened or removed in it.
 * Errors: `conflict` when a file stands where a folder must be, or the reverse, or when files of jobs are there without the database
 * that knows them (an empty database would have all of them swept away); `unavailable` when the folder cannot be written.
 */
export async function prepareDataFolder(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TidepoolError(
      'unavailable',
      `The data folder ${dataDir} cannot be used: ${why}; take another --data-dir`,
      {
        cause,
      },
    );
  }
  for (const name of folders) {
    if ((await statOf(dataDir, name))?.isDirectory() === false)
      throw new TidepoolError('conflict', `${join(dataDir, name)} is a file, and must be a folder; ${advice}`);
  }
  for (const name of files) {
    if ((await statOf(dataDir, name))?.isFile() === false)
      throw new TidepoolError('conflict', `${join(dataDir, name)} is a folder, and must be a file; ${advice}`);
  }
  if (!(await hasDatabase(dataDir)) && (await hasBlobs(dataDir)))
    throw new TidepoolError(
      'conflict',
      `The data folder ${dataDir} has files of jobs, and its database tidepool.db is missing or empty: a server would remove ` +
        'these files as unknown. Restore a backup into a new folder (docs/backup.md), or move the folder "blobs" away',
    );
}

/** Returns the path of the database of a server that does not run. Error: `not_found`. */
export async function stoppedDatabase(dataDir: string): Promise<string> {
  const path = join(dataDir, 'tidepool.db');
  await access(path).catch((cause: unknown) => {
    throw new TidepoolError('not_found', `no server runs, and there is no database in ${dataDir}`, { cause });
  });
  return path;
}

/** A first start that was killed may leave an empty file beside a log in which all of the database still is. */
async function hasDatabase(dataDir: string): Promise<boolean> {
  const sizes = await Promise.all(['tidepool.db', 'tidepool.db-wal'].map((name) => statOf(dataDir, name)));
  return sizes.some((found) => found !== undefined && found.size > 0);
}

/** Blobs are in folders of two hexadecimal digits. */
async function hasBlobs(dataDir: string): Promise<boolean> {
  const names = (await readdir(join(dataDir, 'blobs')).catch(absent)) ?? [];
  return names.some((name) => /^[0-9a-f]{2}$/.test(name));
}

function statOf(dataDir: string, name: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  return stat(join(dataDir, name)).catch(absent);
}
