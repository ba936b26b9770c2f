import { readdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { absent } from '../files/durable.ts';
import { isInstallationRunning } from './installation-lock.ts';

/** A folder that changed lately may be that of a server that is about to start, or runs in another network namespace. */
const settledMs = 3_600_000;

/**
 * Removes the empty folders for machines that servers which were killed have left. A folder with anything in it stays, and so does
 * that of a server that runs. Returns the names of those that went.
 */
export async function dropEmptyMachineFolders(
  folder: string,
  nowMs: number,
  isRunning: (installationId: string) => Promise<boolean> = isInstallationRunning,
): Promise<string[]> {
  const dropped: string[] = [];
  for (const name of (await readdir(folder).catch(absent)) ?? []) {
    const path = join(folder, name);
    const facts = await stat(path).catch(absent);
    if (facts?.isDirectory() !== true || nowMs - facts.mtimeMs < settledMs) continue;
    if (((await readdir(path).catch(absent)) ?? ['unknown']).length > 0 || (await isRunning(name))) continue;
    // This removes no folder with anything in it.
    const isGone = await rmdir(path).then(
      () => true,
      () => false,
    );
    if (isGone) dropped.push(name);
  }
  return dropped;
}
