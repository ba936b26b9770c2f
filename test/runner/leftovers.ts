import { existsSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '../../src/clock/system-clock.ts';
import { isInstallationRunning } from '../../src/config/installation-lock.ts';
import { defaultLibvirtUri, isRoot, rootMachinesDir } from '../../src/config/paths.ts';
import type { Hypervisor } from '../../src/domain/hypervisor.ts';
import { connectLibvirtHypervisor } from '../../src/libvirt/hypervisor.ts';
import { abandonedClaims, type Claim } from '../support/claims.ts';

/** Finds the machines of one installation and nothing else. */
export type OpenHypervisor = (
  installationId: string,
  machineDir: string,
) => Promise<Pick<Hypervisor, 'list' | 'remove' | 'close'>>;

/** The usual daemon of tests. */
export const openTestHypervisor: OpenHypervisor = (installationId, machineDir) =>
  connectLibvirtHypervisor({
    ...{ uri: defaultLibvirtUri(), machineDir, installationId, clock: systemClock, env: process.env },
    log: () => undefined,
  });

/**
 * Removes what test runs that were killed have left: machines of their installations, and their folders. Only what a process that is
 * gone has written down (claims.ts), and no machine of a server that still runs. What fails is logged, and tried by the next run.
 */
export async function sweepLeftovers(
  open: OpenHypervisor,
  log: (line: string) => void,
  claims?: string,
  isRunning = isInstallationRunning,
): Promise<void> {
  for (const [path, claim] of await abandonedClaims(claims)) {
    try {
      if (!isTemporary(claim.folder) || !(await sweep(claim, open, isRunning))) continue;
      await rm(path, { force: true });
      log(`removed what a killed test run has left in ${claim.folder}`);
    } catch (error) {
      log(`what a killed test run has left in ${claim.folder} stays: ${String(error)}`);
    }
  }
}

/** A claim that names any other folder is none of ours. */
function isTemporary(folder: string): boolean {
  return dirname(folder) === tmpdir() && basename(folder).startsWith('tidepool-');
}

/** Returns whether nothing is left. */
async function sweep(
  claim: Claim,
  open: OpenHypervisor,
  isRunning: (id: string) => Promise<boolean>,
): Promise<boolean> {
  const { folder } = claim;
  for (const [id, machineDir] of installationsOf(claim)) {
    if (await isRunning(id)) return false;
    const hypervisor = await open(id, machineDir);
    try {
      for (const { name } of await hypervisor.list()) await hypervisor.remove(name);
    } finally {
      await hypervisor.close();
    }
    if (dirname(machineDir) === rootMachinesDir) await rmdir(machineDir).catch(() => undefined);
  }
  await rm(folder, { recursive: true, force: true });
  return true;
}

/** Ids of the installations of a claim, with the folders of their machines. */
function installationsOf({ folder, installationId }: Claim): [id: string, machineDir: string][] {
  if (installationId !== null) return [[installationId, folder]];
  return ['', 'data', 'other'].flatMap((name): [string, string][] => {
    const dataDir = join(folder, name);
    const id = idIn(join(dataDir, 'tidepool.db'));
    if (id === undefined) return [];
    return [[id, isRoot() ? join(rootMachinesDir, id) : join(dataDir, 'machines')]];
  });
}

function idIn(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const row = database.prepare(`select value from setting where name = 'installation-id'`).get();
    return typeof row?.value === 'string' && /^[0-9a-f-]{36}$/.test(row.value) ? row.value : undefined;
  } finally {
    database.close();
  }
}
