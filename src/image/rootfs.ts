import { access, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { folders, publish } from './cache.ts';
import type { RunCommand } from './command.ts';
import type { HostFacts } from './host.ts';
import { unpackPackages } from './mmdebstrap.ts';
import type { ReportProgress } from './progress.ts';
import { contentId, guestPackages } from './recipe.ts';

/** Counts up when the way of unpacking changes what comes out. */
const rootfsFormat = 1;

/** Content address of the unpacked packages: changes with the package list, not with the agent. */
export function rootfsId(host: HostFacts): string {
  const packages = guestPackages(host.distribution, host.architecture);
  return contentId({ rootfsFormat, distribution: host.distribution, architecture: host.architecture, packages });
}

/**
 * The guest's packages, unpacked, as a tar file in the cache; made if it is not there.
 */
export async function ensureRootfs(options: {
  readonly cacheDir: string;
  readonly work: string;
  readonly scratch: string;
  readonly host: HostFacts;
  readonly run: RunCommand;
  readonly progress: ReportProgress;
}): Promise<string> {
  const { host } = options;
  const path = join(options.cacheDir, folders.rootfs, `${rootfsId(host)}.tar`);
  if (await exists(path)) return path;
  const made = join(options.work, 'rootfs.tar');
  await unpackPackages({
    ...options,
    packages: guestPackages(host.distribution, host.architecture),
    target: made,
    progress: (seen) => options.progress({ step: 'packages', ...seen }),
  });
  await publish(made, path);
  // Tars of older recipes are of no use to anyone; the caller holds the lock.
  const folder = dirname(path);
  for (const name of await readdir(folder))
    if (join(folder, name) !== path) await rm(join(folder, name), { recursive: true, force: true });
  return path;
}

/** True when the path can be reached. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
