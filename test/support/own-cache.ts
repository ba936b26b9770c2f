import { chmod, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/clock/system-clock.ts';
import { ensureImage, ensureRuntime } from '../../src/cmd/artifacts.ts';
import { defaultCacheDir } from '../../src/config/paths.ts';

/** A cache for servers and commands that this process starts, so that what is added to it reaches no other test. */
export interface OwnCache {
  readonly path: string;
  /** Removes it; the shared one counts again. */
  remove(): Promise<void>;
}

/** With the image and the runtime `python` as they are built; below /var/tmp, where QEMU may read as another user. */
export async function ownCache(): Promise<OwnCache> {
  const { signal } = new AbortController();
  const shared = process.env.TIDEPOOL_CACHE_DIR;
  const image = await ensureImage(defaultCacheDir(), systemClock, signal);
  const python = await ensureRuntime('python', defaultCacheDir(), systemClock, signal);
  const path = await mkdtemp('/var/tmp/tidepool-cache-');
  await chmod(path, 0o755);
  await mkdir(join(path, 'images'));
  await mkdir(join(path, 'runtimes'));
  await cp(join(image.diskPath, '..'), join(path, 'images', image.id), { recursive: true });
  await cp(join(python.path, '..'), join(path, 'runtimes', `python-${python.id}`), { recursive: true });
  process.env.TIDEPOOL_CACHE_DIR = path;
  return {
    path,
    async remove() {
      if (shared === undefined) delete process.env.TIDEPOOL_CACHE_DIR;
      else process.env.TIDEPOOL_CACHE_DIR = shared;
      await rm(path, { recursive: true, force: true });
    },
  };
}
