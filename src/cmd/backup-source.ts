import { randomUUID } from 'node:crypto';
import { access, chown, readdir, rm, rmdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { requireParts } from '../backup/sources.ts';
import { ApiClient, type Connection } from '../cli/client.ts';
import { findRunning } from '../config/connection.ts';
import { stoppedDatabase } from '../config/data-folder.ts';
import { defaultDataDir, isRoot } from '../config/paths.ts';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { makeFolder } from '../files/durable.ts';
import { copyClosed, lockFolder } from '../sqlite/copy.ts';
import { databaseKind } from '../sqlite/recognize.ts';
import { copiesFolder } from './upkeep.ts';

/** A data folder that is backed up. */
export interface BackupSource extends AsyncDisposable {
  readonly dataDir: string;
  /** Copies the database and returns the path of the copy, which the caller removes. */
  takeDatabase(): Promise<string>;
}

/**
 * Opens the data folder of the server that is meant: through the server if one runs, else as the folder lies there. Copies of
 * the database that commands have left which were killed go. Errors: `conflict` when another command backs this folder up, or
 * a restore of it was cut off; `unavailable`.
 */
export async function openSource(chosen: string | undefined): Promise<BackupSource> {
  const connection = await findRunning(chosen);
  return connection === undefined ? openStopped(resolve(chosen ?? defaultDataDir())) : openRunning(connection);
}

async function openStopped(dataDir: string): Promise<BackupSource> {
  const database = await stoppedDatabase(dataDir, databaseKind);
  await requireParts(dataDir);
  const folder = copiesFolder(dataDir);
  const copies = await openCopies(dataDir);
  return {
    dataDir,
    async takeDatabase() {
      const path = join(folder, `${randomUUID()}.db`);
      copyClosed(database, path);
      return path;
    },
    async [Symbol.asyncDispose]() {
      await copies[Symbol.asyncDispose]();
      await rmdir(folder).catch(notEmpty);
    },
  };
}

/** Another command has come since. */
function notEmpty(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOTEMPTY' && error.code !== 'ENOENT') throw error;
}

async function openRunning(connection: Connection): Promise<BackupSource> {
  const client = new ApiClient(connection);
  const { dataDir } = await client.serverFacts();
  const server = `the server at ${connection.url}`;
  const advice = "run this on the server's machine, as the server's user";
  await readdir(dataDir).catch((cause: unknown) => {
    const what = `no backup is made: the data folder ${dataDir} of ${server} cannot be read here, or has gone`;
    throw new TidepoolError('unavailable', `${what}; ${advice}`, { cause });
  });
  await requireParts(dataDir);
  const copies = await openCopies(dataDir);
  return {
    dataDir,
    async takeDatabase() {
      const { path } = await client.copyDatabase().catch((cause: unknown) => {
        if (!hasCode(cause, 'unavailable')) throw cause;
        const what = `no backup is made: ${server} ended, or was cut off, while it copied its database`;
        throw new TidepoolError('unavailable', `${what}; the backups that are there are whole. Run it again`, {
          cause,
        });
      });
      await access(path).catch((cause: unknown) => {
        throw new TidepoolError('unavailable', `${path} of ${server} cannot be read here; ${advice}`, { cause });
      });
      return path;
    },
    [Symbol.asyncDispose]: () => copies[Symbol.asyncDispose](),
  };
}

/** Holds the folder of copies, so that whatever is in it has been left by a command that was killed. */
async function openCopies(dataDir: string): Promise<AsyncDisposable> {
  const folder = copiesFolder(dataDir);
  const lock = join(folder, 'lock');
  await makeFolder(folder);
  await giveToOwner(folder, dataDir);
  const unlock = lockFolder(folder);
  const clear = async (): Promise<void> => {
    for (const name of await readdir(folder))
      if (!name.startsWith('lock')) await rm(join(folder, name), { force: true });
  };
  try {
    await giveToOwner(lock, dataDir);
    await clear();
  } catch (error) {
    unlock();
    throw error;
  }
  return {
    async [Symbol.asyncDispose]() {
      await clear();
      await rm(lock, { force: true });
      unlock();
    },
  };
}

/** Root backs up for the server's user, who must be able to use the folder afterwards. */
async function giveToOwner(path: string, dataDir: string): Promise<void> {
  if (!isRoot()) return;
  const { uid, gid } = await stat(dataDir);
  await chown(path, uid, gid);
}
