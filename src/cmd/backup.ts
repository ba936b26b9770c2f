import { randomUUID } from 'node:crypto';
import { resolve, sep } from 'node:path';
import { type BackupResult, backUp } from '../backup/backup.ts';
import { checkBackups } from '../backup/check.ts';
import type { DatabaseTools } from '../backup/context.ts';
import { restore } from '../backup/restore.ts';
import { formatSize } from '../cli/units.ts';
import { systemClock } from '../clock/system-clock.ts';
import { defaultReserve } from '../domain/disk.ts';
import { TidepoolError } from '../domain/errors.ts';
import { inspectDatabase, lockFolder, rewriteDatabase } from '../sqlite/copy.ts';
import { blobUsers, lastAttempts } from '../sqlite/references.ts';
import { openSource } from './backup-source.ts';
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
  readonly allowMissing?: boolean;
  readonly json?: boolean;
}

const database: DatabaseTools = {
  inspect: inspectDatabase,
  blobUsers,
  attempts: lastAttempts,
  rewrite: rewriteDatabase,
  lock: lockFolder,
};
/** Lines about files that are lost. */
const mostWarnings = 50;

/**
 * `tidepool backup DIR`: what to print, and whether the server's data were whole. Errors: those of `backUp` and `openSource`; `invalid`.
 */
export async function runBackup(
  dir: string,
  options: BackupCommandOptions,
): Promise<{ text: string; isWhole: boolean }> {
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
  const { id, files, bytes, addedBytes, removed } = result;
  const isWhole = result.losses.length === 0 && result.databaseProblems.length === 0;
  warnOfLosses(result, keep !== undefined);
  if (options.json) return { text: JSON.stringify({ dir: target, ...result }, null, 2), isWhole };
  const gone = removed.length === 0 ? '' : `; removed ${removed.length} older`;
  const sizes = `${files} files, ${formatSize(bytes)}, of which ${formatSize(addedBytes)} are new`;
  return { text: `backup ${id}: ${sizes}${gone}`, isWhole };
}

function warnOfLosses({ losses, databaseProblems }: BackupResult, isCleaning: boolean): void {
  warnOfEach(losses, ({ path, fault, isBacked }) => {
    const outcome = isBacked ? 'the backup has it from an earlier one' : 'the backup is without it';
    return `the server's ${path} is ${fault}; ${outcome}`;
  });
  for (const problem of databaseProblems) warn(`the server's database is damaged: ${problem}`);
  const isLacking = databaseProblems.length > 0 || losses.some(({ isBacked }) => !isBacked);
  if (isLacking && isCleaning) warn('no older backup is removed: one of them may have what this one lacks');
}

/** Warns of each, but not without end; all of them are in the output for programs. */
function warnOfEach<T>(all: readonly T[], inWords: (one: T) => string): void {
  for (const one of all.slice(0, mostWarnings)) warn(inWords(one));
  if (all.length > mostWarnings) warn(`and ${all.length - mostWarnings} more; --json has all of them`);
}

/** `tidepool backup check DIR`: what to print, and whether all backups are sound. */
export async function runCheck(dir: string, { json }: { json?: boolean }): Promise<{ text: string; isSound: boolean }> {
  const result = await checkBackups(resolve(dir), database);
  const isSound = result.problems.length === 0;
  if (json) return { text: JSON.stringify({ isSound, ...result }, null, 2), isSound };
  const lines = result.backups.map(({ id, files, bytes }) => `${id}  ${files} files  ${formatSize(bytes)}`);
  const verdict = isSound
    ? 'all backups are sound'
    : [
        ...result.problems.map((problem) => `damaged: ${problem}`),
        'the next backup adds what is damaged again, where the server has it; restore --allow-missing restores all the rest',
      ].join('\n');
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
  const { backup: id, allowMissing = false } = options;
  const result = await restore({ dir: resolve(dir), id, dataDir, newInstallationId, allowMissing, database });
  for (const { path, why, users } of result.missing)
    warn(`restored without ${path}: ${why}${users.length === 0 ? '' : `; lost by ${users.join(', ')}`}`);
  if (options.json) return JSON.stringify({ dataDir, ...result }, null, 2);
  const taken = new Date(result.takenAtMs).toISOString();
  return `restored the backup ${result.id} of ${taken} to ${dataDir} (${result.files} files, ${formatSize(result.bytes)})
start it with: ./tidepool serve --data-dir ${dataDir}`;
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
