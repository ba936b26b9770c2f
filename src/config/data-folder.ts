import { access, constants, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import type { DatabaseKind } from '../domain/store.ts';
import { absent } from '../files/durable.ts';
import { narrow } from '../files/private.ts';
import { requireRestored } from '../files/restoring.ts';

const folders = ['blobs', 'blobs/tmp', 'logs', 'frontdoor'];
const files = ['tidepool.db', 'tidepool.db-wal', 'admin.token'];
const advice = 'move it away, or restore a backup into a new folder (docs/backup.md)';

/**
 * Makes the data folder where there is none, and looks at one that is there before anything is opened or removed in it.
 * Errors: `conflict` when a file stands where a folder must be, or the reverse, or when files of jobs are there without the database
 * that knows them (an empty database would have all of them swept away), when it is half restored, or when it has files of others
 * and no database; `unavailable` when the folder cannot be written. Then
 * nothing in it has changed. Secrets in it that are open to others are taken from them.
 * @param kindOf what lies in the place of a database
 */
export async function prepareDataFolder(dataDir: string, kindOf: (path: string) => DatabaseKind): Promise<void> {
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
  await requireRestored(dataDir);
  for (const name of folders) {
    if ((await statOf(dataDir, name))?.isDirectory() === false)
      throw new TidepoolError('conflict', `${join(dataDir, name)} is a file, and must be a folder; ${advice}`);
  }
  for (const name of files) {
    if ((await statOf(dataDir, name))?.isFile() === false)
      throw new TidepoolError('conflict', `${join(dataDir, name)} is a folder, and must be a file; ${advice}`);
  }
  const kind = kindOf(join(dataDir, 'tidepool.db'));
  if (kind === 'none') await refuseStrangers(dataDir);
  if (kind !== 'ours' && kind !== 'foreign' && (await hasFiles(dataDir)))
    throw new TidepoolError(
      'conflict',
      `The data folder ${dataDir} has files of jobs, and its database tidepool.db is missing or empty, or its log tidepool.db-wal is ` +
        'lost or damaged: a server would remove these files as unknown. Put the database and its log back, or restore a backup ' +
        'into a new folder (docs/backup.md), or move the folders "blobs" and "logs" away',
    );
  for (const path of await secretsOf(dataDir)) await takeFromOthers(path);
}

/**
 * Returns the path of the database of a server that does not run. Errors: `not_found`, `conflict` when it is none of Tidepool, is half
 * restored, or has lost all that it knew.
 * @param kindOf what lies in the place of a database
 */
export async function stoppedDatabase(dataDir: string, kindOf: (path: string) => DatabaseKind): Promise<string> {
  await requireRestored(dataDir);
  const path = join(dataDir, 'tidepool.db');
  const kind = kindOf(path);
  if (kind === 'ours') return path;
  if (kind === 'none') throw new TidepoolError('not_found', `no server runs, and there is no database in ${dataDir}`);
  throw new TidepoolError('conflict', `${path} is not the database of an installation (${stateOf[kind]}); ${advice}`);
}

const stateOf = {
  'log-only': 'it is missing or empty, and only its log is there',
  unused: 'it is empty, or its log is lost or damaged',
  foreign: 'another program made it',
} as const;

/** What holds keys, passwords' hashes, or what users have sent; the database itself is made private where it is opened. */
async function secretsOf(dataDir: string): Promise<string[]> {
  const copies = (await readdir(dataDir)).filter((name) => /^(tidepool\.db|admin\.token)\./.test(name));
  return ['admin.token', 'blobs', 'logs', 'frontdoor', 'backup', ...copies].map((name) => join(dataDir, name));
}

async function takeFromOthers(path: string): Promise<void> {
  await narrow(path).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TidepoolError('unavailable', `${path} is open to others, and that cannot be changed: ${why}`, { cause });
  });
}

/** Names that Tidepool makes in a data folder, or that a fresh file system has. */
const own = /^(tidepool\.db.*|admin\.token.*|blobs|logs|frontdoor|backup|machines|ballast|\.restoring|lost\+found)$/;
/** Names that people keep beside a server: its configuration, its log and the number of its process. */
const beside = /\.(json|log|pid)$/;
const mostNamed = 3;

/** A folder without a database that others use is most likely not meant. Error: `conflict`. */
async function refuseStrangers(dataDir: string): Promise<void> {
  const strangers = (await readdir(dataDir)).filter((name) => !own.test(name) && !beside.test(name)).sort();
  if (strangers.length === 0) return;
  const names = strangers.slice(0, mostNamed).join(', ') + (strangers.length > mostNamed ? ', ...' : '');
  throw new TidepoolError(
    'conflict',
    `The data folder ${dataDir} has files that are not Tidepool's (${names}) and no database; name an empty or a new folder by --data-dir`,
  );
}

/** Blobs are in folders of two hexadecimal digits. */
async function hasFiles(dataDir: string): Promise<boolean> {
  const names = async (folder: string): Promise<string[]> => (await readdir(join(dataDir, folder)).catch(absent)) ?? [];
  if ((await names('blobs')).some((name) => /^[0-9a-f]{2}$/.test(name))) return true;
  return (await names('logs')).some((name) => name.endsWith('.frames'));
}

function statOf(dataDir: string, name: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  return stat(join(dataDir, name)).catch(absent);
}
