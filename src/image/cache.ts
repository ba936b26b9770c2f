import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import { makeFolder, syncPath, syncTree } from '../files/durable.ts';
import type { RunCommand } from './command.ts';
import { contentId } from './recipe.ts';

/**
 * The cache folder:
 *
 *     lock                      held (flock) by the one builder
 *     building/                 work of that builder; whatever the next one finds here is a dead builder's
 *     debs/                     downloaded packages, shared by all builds
 *     rootfs/<id>.tar           unpacked packages
 *     images/<id>/              disk.qcow2 vmlinuz initrd probe-initrd image.json
 *     runtimes/<name>-<id>/     runtime.squashfs runtime.json
 *
 * A result is built in `building/`, synced to disk, and renamed into place: what has its final name is whole.
 */
export const folders = { building: 'building', debs: 'debs', rootfs: 'rootfs', images: 'images', runtimes: 'runtimes' };

/**
 * Runs `work` as the cache's only builder, after waiting for another one to end (`onWait` is called if so).
 *
 * The lock is flock(2), held by a child for as long as its standard input is open. The kernel gives it up when
 * builder and child are gone, however they went, so a lock is never stale.
 */
export async function withCacheLock<T>(
  cacheDir: string,
  options: { signal?: AbortSignal | undefined; onWait: () => void },
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(cacheDir, { recursive: true });
  const lockFile = join(cacheDir, 'lock');
  let release = await tryLock(lockFile, ['--nonblock'], options.signal);
  if (release === undefined) {
    options.onWait();
    release = await tryLock(lockFile, [], options.signal);
  }
  if (release === undefined)
    throw new TidepoolError('aborted', `gave up waiting for the builder that holds ${lockFile}`);
  try {
    return await work();
  } finally {
    await release();
  }
}

async function tryLock(
  lockFile: string,
  flags: readonly string[],
  signal: AbortSignal | undefined,
): Promise<(() => Promise<void>) | undefined> {
  const child = spawn('flock', [...flags, lockFile, 'sh', '-c', 'echo locked; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const closed = new Promise<void>((resolve, reject) => {
    child.on('error', (cause) =>
      reject(new TidepoolError('not_found', "flock cannot be started; run 'tidepool doctor'", { cause })),
    );
    child.on('close', () => resolve());
  });
  const giveUp = (): boolean => child.kill('SIGTERM');
  signal?.addEventListener('abort', giveUp, { once: true });
  if (signal?.aborted === true) giveUp();
  try {
    const locked = await Promise.race([once(child.stdout, 'data').then(() => true), closed.then(() => false)]);
    if (!locked) return undefined;
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  return async () => {
    child.stdin.end();
    await closed;
  };
}

/**
 * A fresh work folder beside the results, and a scratch folder for mmdebstrap. The caller holds the lock, so
 * whatever is there already is a dead builder's and goes first.
 */
export async function withWorkFolder<T>(
  cacheDir: string,
  run: RunCommand,
  work: (folder: { readonly work: string; readonly scratch: string }) => Promise<T>,
): Promise<T> {
  const building = join(cacheDir, folders.building);
  // Not in the cache: mmdebstrap's user namespace must get there, and a home folder may be closed to it.
  const scratchPrefix = `tidepool-build-${contentId(cacheDir)}-`;
  await sweep(building, scratchPrefix, run);
  await mkdir(building, { recursive: true });
  const folder = {
    work: await mkdtemp(join(building, 'work-')),
    scratch: await mkdtemp(join(scratchParent, scratchPrefix)),
  };
  // The namespace's ids may pass through, and neither they nor others may put anything into it.
  await chmod(folder.scratch, 0o711);
  try {
    return await work(folder);
  } finally {
    await sweep(building, scratchPrefix, run);
  }
}

// Large and on disk by the File Hierarchy Standard, where /tmp may be small and in memory.
const scratchParent = '/var/tmp';

async function sweep(building: string, scratchPrefix: string, run: RunCommand): Promise<void> {
  await rm(building, { recursive: true, force: true });
  for (const name of await readdir(scratchParent)) {
    if (name.startsWith(scratchPrefix)) await removeScratch(join(scratchParent, name), run);
  }
}

/**
 * Files made inside a user namespace belong to ids that only that namespace may touch. Removal never leaves the file
 * system that it starts on, should anything be mounted there.
 */
async function removeScratch(path: string, run: RunCommand): Promise<void> {
  const remove = ['rm', '-rf', '--one-file-system', path];
  try {
    await run({ program: 'rm', args: remove.slice(1) });
  } catch {
    await run({ program: 'mmdebstrap', args: ['--unshare-helper', ...remove] }).catch(() => undefined);
    // The folder itself is ours again; if anything is left in it, this tells.
    await run({ program: 'rm', args: remove.slice(1) });
  }
}

/**
 * Syncs a finished file or folder to disk and gives it its final name. The caller has found nothing there that is whole, so
 * whatever has that name is what a power cut has damaged, and goes.
 */
export async function publish(from: string, to: string): Promise<void> {
  await syncTree(from);
  await makeFolder(dirname(to), 0o755);
  await rm(to, { recursive: true, force: true });
  await rename(from, to);
  await syncPath(dirname(to));
}
