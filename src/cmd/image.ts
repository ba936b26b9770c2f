import { formatTable } from '../cli/table.ts';
import { formatSize } from '../cli/units.ts';
import { systemClock } from '../clock/system-clock.ts';
import { dropEmptyMachineFolders } from '../config/machine-folders.ts';
import { defaultCacheDir, isRoot, prepareCacheDir, rootMachinesDir } from '../config/paths.ts';
import { TidepoolError } from '../domain/errors.ts';
import { listImages } from '../image/image-store.ts';
import { defaultPruneRule, prune } from '../image/prune.ts';
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

/** What `image prune` may be told. */
export interface PruneOptions extends Format {
  readonly keep: string;
  readonly dryRun?: boolean;
}

/** `tidepool image prune`. */
export async function imagePrune({ keep, dryRun = false, json }: PruneOptions): Promise<string> {
  const keepImages = Number(keep);
  if (!Number.isInteger(keepImages) || keepImages < 1)
    throw new TidepoolError('invalid', `--keep is ${keep}; it must be a whole number of at least 1`);
  const rule = { ...defaultPruneRule, keepImages };
  const { images, runtimes } = await prune(await cache(), rule, systemClock, dryRun);
  if (!dryRun && isRoot()) await dropEmptyMachineFolders(rootMachinesDir, systemClock.now());
  if (json) return JSON.stringify({ images, runtimes }, null, 2);
  const went = [
    ...images.map(({ id, sizeBytes }) => `image ${id}, ${formatSize(sizeBytes)}`),
    ...runtimes.map(({ name, id, sizeBytes }) => `runtime ${name} (${id}), ${formatSize(sizeBytes)}`),
  ];
  if (went.length === 0) return 'nothing to remove';
  return went.map((one) => `${dryRun ? 'would remove' : 'removed'} ${one}`).join('\n');
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
