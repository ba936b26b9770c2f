import { mkdir, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * Where things lie. As root, QEMU runs as a user of its own that cannot enter root's home, so what QEMU must read is
 * kept below /var; `~/.cache/tidepool` is then a link to it.
 */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Golden images, runtimes, accelerator verdicts; safe to delete while nothing runs. */
export function defaultCacheDir(): string {
  const chosen = process.env.TIDEPOOL_CACHE_DIR;
  if (chosen !== undefined && chosen !== '') return chosen;
  return isRoot() ? '/var/cache/tidepool' : homeCacheDir();
}

function homeCacheDir(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tidepool');
}

/** Returns the data folder that an option or the environment names; undefined when neither does. */
export function namedDataDir(option?: string): string | undefined {
  const named = option ?? process.env.TIDEPOOL_DATA_DIR;
  return named === '' ? undefined : named;
}

/** Database, blobs, logs, `admin.token`. */
export function defaultDataDir(): string {
  const named = namedDataDir();
  if (named !== undefined) return named;
  return join(process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'tidepool');
}

/** What commands keep for this user: notes of running servers, the present login. */
export function stateDir(): string {
  return join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'tidepool');
}

/** As root, the folder with those of all installations. */
export const rootMachinesDir = '/var/lib/tidepool/machines';

/** Overlays and key files of this installation's VMs. */
export function machineDir(dataDir: string, installationId: string): string {
  return isRoot() ? join(rootMachinesDir, installationId) : join(dataDir, 'machines');
}

/** The daemon that a user of this kind has: the system's as root, their own otherwise. */
export function defaultLibvirtUri(): string {
  return isRoot() ? 'qemu:///system' : 'qemu:///session';
}

/** Makes the cache folder, and as root the link in the home folder that leads to it. */
export async function prepareCacheDir(cacheDir: string): Promise<void> {
  await mkdir(cacheDir, { recursive: true });
  const link = homeCacheDir();
  if (cacheDir === link || !isRoot() || process.env.TIDEPOOL_CACHE_DIR) return;
  await mkdir(dirname(link), { recursive: true });
  await symlink(cacheDir, link).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}
