import { formatTable } from '../cli/table.ts';
import { formatSize } from '../cli/units.ts';
import { systemClock } from '../clock/system-clock.ts';
import { defaultCacheDir, prepareCacheDir } from '../config/paths.ts';
import { listImages } from '../image/image-store.ts';
import type { BuiltInRuntime } from '../image/runtime-recipe.ts';
import { listRuntimes } from '../image/runtime-store.ts';
import { ensureImage, ensureRuntime } from './artifacts.ts';
import { interruptSignal } from './interrupt.ts';
import { ensureSystem } from './system.ts';

interface Format {
  readonly json?: boolean;
}

/** `tidepool image build`. */
export async function imageBuild(format: Format): Promise<string> {
  await ensureSystem();
  const image = await ensureImage(await cache(), systemClock, interruptSignal());
  return format.json ? JSON.stringify(image, null, 2) : `image ${image.id} is ready: ${formatSize(image.sizeBytes)}`;
}

/** `tidepool image list`. */
export async function imageList(format: Format): Promise<string> {
  const images = await listImages(await cache());
  if (format.json) return JSON.stringify(images, null, 2);
  if (images.length === 0) return 'no images';
  const rows = images.map((image) => [image.id, formatSize(image.sizeBytes), built(image.createdAtMs)]);
  return formatTable([['IMAGE', 'SIZE', 'BUILT'], ...rows]);
}

/** `tidepool runtime build NAME`. */
export async function runtimeBuild(name: BuiltInRuntime, format: Format): Promise<string> {
  await ensureSystem();
  const runtime = await ensureRuntime(name, await cache(), systemClock, interruptSignal());
  if (format.json) return JSON.stringify(runtime, null, 2);
  return `runtime ${name} (${runtime.id}) is ready: ${formatSize(runtime.sizeBytes)}`;
}

/** `tidepool runtime list`. */
export async function runtimeList(format: Format): Promise<string> {
  const runtimes = await listRuntimes(await cache());
  if (format.json) return JSON.stringify(runtimes, null, 2);
  if (runtimes.length === 0) return 'no runtimes';
  const rows = runtimes.map(({ name, id, sizeBytes, createdAtMs }) => [
    name,
    id,
    formatSize(sizeBytes),
    built(createdAtMs),
  ]);
  return formatTable([['RUNTIME', 'ID', 'SIZE', 'BUILT'], ...rows]);
}

async function cache(): Promise<string> {
  const cacheDir = defaultCacheDir();
  await prepareCacheDir(cacheDir);
  return cacheDir;
}

function built(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 16).replace('T', ' ');
}
