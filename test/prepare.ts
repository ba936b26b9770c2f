import { systemClock } from '../src/clock/system-clock.ts';
import { ensureImage, ensureRuntime } from '../src/cmd/artifacts.ts';
import { ensureSystem } from '../src/cmd/system.ts';
import { defaultCacheDir, prepareCacheDir } from '../src/config/paths.ts';

/**
 * Makes what the VM stages need beside the system's packages: the golden image and the runtimes. Called once, before the
 * unit tests, so that long builds go on beside them; the first stage that needs the image waits for it.
 */
export async function prepare(signal: AbortSignal, log: (line: string) => void): Promise<void> {
  await ensureSystem(undefined, signal);
  const cacheDir = defaultCacheDir();
  await prepareCacheDir(cacheDir);
  const image = await ensureImage(cacheDir, systemClock, signal);
  log(`image ${image.id}`);
  for (const name of ['python', 'ml'] as const) {
    const runtime = await ensureRuntime(name, cacheDir, systemClock, signal);
    log(`runtime ${name} ${runtime.id}`);
  }
}
