import { formatTable } from '../cli/table.ts';
import { formatSize } from '../cli/units.ts';
import { systemClock } from '../clock/system-clock.ts';
import { defaultCacheDir, prepareCacheDir } from '../config/paths.ts';
import { listImages } from '../image/image-store.ts';
import { ensureImage } from './artifacts.ts';
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
  const rows = images.map((image) => [image.id, formatSize(image.sizeBytes), dateTime(image.createdAtMs)]);
  return formatTable([['IMAGE', 'SIZE', 'BUILT'], ...rows]);
}

/** The cache folder, made if it is not there. */
export async function cache(): Promise<string> {
  const cacheDir = defaultCacheDir();
  await prepareCacheDir(cacheDir);
  return cacheDir;
}

/** For a table. */
export function dateTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 16).replace('T', ' ');
}
