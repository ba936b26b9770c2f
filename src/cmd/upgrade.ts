import { join, resolve } from 'node:path';
import { ApiClient } from '../cli/client.ts';
import { formatSize } from '../cli/units.ts';
import { systemClock } from '../clock/system-clock.ts';
import { findRunning } from '../config/connection.ts';
import { stoppedDatabase } from '../config/data-folder.ts';
import { defaultCacheDir, defaultDataDir } from '../config/paths.ts';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { folderDisk } from '../files/disk.ts';
import { agentProtocol } from '../protocol/agent.ts';
import { workerListSchema } from '../protocol/api.ts';
import { peekDatabase } from '../sqlite/copy.ts';
import { upgradeBytes } from '../sqlite/migration-copy.ts';
import { databaseKind } from '../sqlite/recognize.ts';
import { migrations } from '../sqlite/schema.ts';
import { missingArtifacts } from './artifacts.ts';
import { version } from './version.ts';

/** Facts about the installation that is there now, and about this version. */
export interface UpgradeFacts {
  /** The running server; null when none runs. */
  readonly running: { readonly version: string; readonly agentProtocol: number } | null;
  readonly here: {
    readonly version: string;
    readonly agentProtocol: number;
    readonly imageId: string;
    readonly migrations: readonly string[];
  };
  readonly database: { readonly sizeBytes: number; readonly migrations: readonly string[] } | null;
  readonly freeBytes: number;
  readonly missingArtifacts: readonly string[];
  readonly vms: readonly { readonly name: string; readonly imageId: string }[];
  readonly workers: readonly string[];
}

/** Effects of an upgrade to this version. */
export interface UpgradeReport {
  readonly from: string | null;
  readonly to: string;
  readonly migrations: readonly string[];
  /** Bytes on the disk of the data folder for the copy of the database and the change; 0 when nothing is to be changed. */
  readonly neededBytes: number;
  readonly freeBytes: number;
  readonly builds: readonly string[];
  /** Replaced one at a time, when their jobs have ended. */
  readonly vms: readonly string[];
  /** Refused until they run this version as well. */
  readonly workers: readonly string[];
  /** Reasons why the upgrade would stop, as sentences. */
  readonly problems: readonly string[];
}

/** Returns the effects of an upgrade. Pure. */
export function upgradeReport(facts: UpgradeFacts): UpgradeReport {
  const { running, here, database, freeBytes, vms, workers } = facts;
  const applied = database?.migrations ?? [];
  const pending = database === null ? [] : here.migrations.filter((name) => !applied.includes(name));
  const unknown = applied.filter((name) => !here.migrations.includes(name));
  const neededBytes = pending.length === 0 ? 0 : upgradeBytes(database?.sizeBytes ?? 0);
  const isOtherProtocol = running !== null && running.agentProtocol !== here.agentProtocol;
  return {
    from: running?.version ?? null,
    to: here.version,
    migrations: pending,
    neededBytes,
    freeBytes,
    builds: facts.missingArtifacts,
    vms: vms.filter(({ imageId }) => imageId !== '' && imageId !== here.imageId).map(({ name }) => name),
    workers: isOtherProtocol ? workers : [],
    problems: [
      ...(unknown.length === 0 ? [] : [`the database was written by a newer Tidepool (migration ${unknown.at(-1)})`]),
      ...(neededBytes <= freeBytes
        ? []
        : [`the upgrade of the database needs ${formatSize(neededBytes)} of disk, ${formatSize(freeBytes)} are free`]),
    ],
  };
}

/** `tidepool upgrade --check`: what to print, and whether nothing would stop the upgrade. Changes nothing. */
export async function runUpgradeCheck(options: {
  dataDir?: string;
  json?: boolean;
}): Promise<{ text: string; isPossible: boolean }> {
  const report = upgradeReport(await gather(options.dataDir));
  const isPossible = report.problems.length === 0;
  return { text: options.json ? JSON.stringify({ isPossible, ...report }, null, 2) : describe(report), isPossible };
}

async function gather(chosen: string | undefined): Promise<UpgradeFacts> {
  const { imageId, missing } = await missingArtifacts(defaultCacheDir(), systemClock);
  const known = Object.keys(migrations).sort();
  const base = { here: { version, agentProtocol, imageId, migrations: known }, missingArtifacts: missing };
  const connection = await findRunning(chosen);
  if (connection === undefined) return { ...base, ...(await stopped(resolve(chosen ?? defaultDataDir()))) };
  const client = new ApiClient(connection);
  const facts = await client.serverFacts().catch((cause: unknown) => {
    if (!hasCode(cause, 'not_found')) throw cause;
    const text = 'the server that runs is too old to be asked; stop it, then ask again with its --data-dir';
    throw new TidepoolError('unavailable', text, { cause });
  });
  const { workers } = await client.json('GET', '/workers', workerListSchema);
  return {
    ...base,
    running: { version: facts.version, agentProtocol: facts.agentProtocol },
    database: facts.database,
    freeBytes: await freeBytes(facts.dataDir),
    vms: await client.vms(),
    workers: workers.map(({ name }) => name),
  };
}

async function stopped(dataDir: string): Promise<Omit<UpgradeFacts, 'here' | 'missingArtifacts'>> {
  const peek = peekDatabase(await stoppedDatabase(dataDir, databaseKind));
  return { running: null, database: peek, freeBytes: await freeBytes(dataDir), vms: peek.vms, workers: [] };
}

/** Returns the free bytes on the disk of a folder, which may not be there yet. */
async function freeBytes(folder: string): Promise<number> {
  const space = await folderDisk(folder)
    .space()
    .catch(() => undefined);
  return space?.freeBytes ?? freeBytes(join(folder, '..'));
}

function describe(report: UpgradeReport): string {
  const { from, to, neededBytes, freeBytes: free } = report;
  const list = (items: readonly string[], none: string): string => (items.length === 0 ? none : items.join(', '));
  const copy = neededBytes === 0 ? '' : ` (needs ${formatSize(neededBytes)} of disk; ${formatSize(free)} are free)`;
  return [
    `version:             ${from === null ? 'no server runs' : from} -> ${to}`,
    `database:            ${list(report.migrations, 'nothing to change')}${copy}`,
    `to be built:         ${list(report.builds, 'nothing')}`,
    `VMs to be replaced:  ${list(report.vms, 'none')}`,
    `workers to upgrade:  ${list(report.workers, 'none')}`,
    ...report.problems.map((problem) => `cannot upgrade:      ${problem}`),
  ].join('\n');
}
