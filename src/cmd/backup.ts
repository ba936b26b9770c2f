import { randomUUID } from 'node:crypto';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { backUp } from '../backup/backup.ts';
import { checkBackups } from '../backup/check.ts';
import type { DatabaseTools } from '../backup/context.ts';
import { restore } from '../backup/restore.ts';
import { ApiClient } from '../cli/client.ts';
import { formatSize } from '../cli/units.ts';
import { systemClock } from '../clock/system-clock.ts';
import { findRunning } from '../config/connection.ts';
import { stoppedDatabase } from '../config/data-folder.ts';
import { defaultDataDir } from '../config/paths.ts';
import { defaultReserve } from '../domain/disk.ts';
import { TidepoolError } from '../domain/errors.ts';
import { copyClosed, inspectDatabase, lockFolder, rewriteDatabase } from '../sqlite/copy.ts';
import { databaseKind } from '../sqlite/recognize.ts';
import { version } from './version.ts';

/** Options of `tidepool backup`. */
export interface BackupCommandOptions {
  readonly dataDir?: string;
  readonly keep?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Options of `tidepool restore`. */
export interface RestoreCommandOptions {
  readonly dataDir?: string;
  readonly backup?: string;
  readonly asNew?: boolean;
  readonly json?: boolean;
}

const database: DatabaseTools = { inspect: inspectDatabase, rewrite: rewriteDatabase, lock: lockFolder };

/** `tidepool backup DIR`. Errors: those of `backUp`; `invalid`; `unavailable` when the server is on another machine. */
export async function runBackup(dir: string, options: BackupCommandOptions): Promise<string> {
  const keep = options.keep === undefined ? undefined : parseCount(options.keep);
  await using source = await openSource(options.dataDir);
  const { dataDir, takeDatabase } = source;
  const target = resolve(dir);
  if (isInside(target, dataDir) || isInside(dataDir, target))
    throw new TidepoolError('invalid', `a backup of ${dataDir} does not belong into ${target}; choose another folder`);
  const result = await backUp({
    ...{ dir: target, dataDir, keep, configFile: options.config, version, database, takeDatabase },
    ...{ now: () => systemClock.now(), reserve: defaultReserve },
    log: warn,
  });
  for (const blob of result.missingBlobs) warn(`the server has lost the blob ${blob}; the backup is without it`);
  if (options.json) return JSON.stringify({ dir: target, ...result }, null, 2);
  const { id, files, bytes, addedBytes, removed } = result;
  const gone = removed.length === 0 ? '' : `; removed ${removed.length} older`;
  return `backup ${id}: ${files} files, ${formatSize(bytes)}, of which ${formatSize(addedBytes)} are new${gone}`;
}

/** `tidepool backup check DIR`: what to print, and whether all backups are sound. */
export async function runCheck(dir: string, { json }: { json?: boolean }): Promise<{ text: string; isSound: boolean }> {
  const result = await checkBackups(resolve(dir), database);
  const isSound = result.problems.length === 0;
  if (json) return { text: JSON.stringify({ isSound, ...result }, null, 2), isSound };
  const lines = result.backups.map(({ id, files, bytes }) => `${id}  ${files} files  ${formatSize(bytes)}`);
  const verdict = isSound
    ? 'all backups are sound'
    : result.problems.map((problem) => `damaged: ${problem}`).join('\n');
  return { text: [...lines, verdict].join('\n'), isSound };
}

/** `tidepool restore DIR --data-dir NEW`. Errors: those of `restore`; `invalid`. */
export async function runRestore(dir: string, options: RestoreCommandOptions): Promise<string> {
  if (options.dataDir === undefined)
    throw new TidepoolError('invalid', 'name the new data folder by --data-dir; nothing is restored over another one');
  const dataDir = resolve(options.dataDir);
  if (isInside(dataDir, resolve(dir)))
    throw new TidepoolError('invalid', `a data folder does not belong into the backups in ${dir}; choose another one`);
  const newInstallationId = options.asNew ? randomUUID() : undefined;
  const result = await restore({ dir: resolve(dir), id: options.backup, dataDir, newInstallationId, database });
  for (const blob of result.missingBlobs) warn(`the backup is without the blob ${blob}, which its server had lost`);
  if (options.json) return JSON.stringify({ dataDir, ...result }, null, 2);
  const taken = new Date(result.takenAtMs).toISOString();
  return `restored the backup ${result.id} of ${taken} to ${dataDir} (${result.files} files, ${formatSize(result.bytes)})
start it with: ./tidepool serve --data-dir ${dataDir}`;
}

interface Source extends AsyncDisposable {
  readonly dataDir: string;
  takeDatabase(): Promise<string>;
}

/** The data folder of the server that is meant: through the server if one runs, else as the folder lies there. */
async function openSource(chosen: string | undefined): Promise<Source> {
  const connection = await findRunning(chosen);
  if (connection === undefined) return openStopped(resolve(chosen ?? defaultDataDir()));
  const client = new ApiClient(connection);
  const { dataDir } = await client.serverFacts();
  return {
    dataDir,
    async takeDatabase() {
      const { path } = await client.copyDatabase();
      await access(path).catch((cause: unknown) => {
        const where = `${path} of the server at ${connection.url} cannot be read here`;
        throw new TidepoolError('unavailable', `${where}; run this on the server's machine, as the server's user`, {
          cause,
        });
      });
      return path;
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function openStopped(dataDir: string): Promise<Source> {
  const database = await stoppedDatabase(dataDir, databaseKind);
  const folder = await mkdtemp(join(dataDir, 'backup-'));
  return {
    dataDir,
    async takeDatabase() {
      const path = join(folder, `${randomUUID()}.db`);
      copyClosed(database, path);
      return path;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new TidepoolError('invalid', `--keep ${text} is not a number from 1`);
  return Number(text);
}

function warn(message: string): void {
  process.stderr.write(`tidepool: ${message}\n`);
}
