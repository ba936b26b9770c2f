import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Image } from '../domain/image.ts';
import { absent, readJson } from '../files/durable.ts';
import { folders } from './cache.ts';
import { damageOf, filesSchema } from './whole-files.ts';

export const imageFiles = {
  disk: 'disk.qcow2',
  kernel: 'vmlinuz',
  initrd: 'initrd',
  probeInitrd: 'probe-initrd',
  about: 'image.json',
} as const;

const aboutSchema = z.object({ createdAtMs: z.number(), files: filesSchema });

/**
 * Kernel command line of the guest. `panic=-1`: a panic reboots at once, and the domain's on_reboot ends it, so that
 * it is seen as a failure instead of hanging. `no_timer_check`: the check of the emulated timer costs time. The TSC stays
 * watched: on a busy host its calibration may fail at boot, and time in the guest would run fast.
 */
const commandLine = 'console=ttyS0 quiet loglevel=3 panic=-1 no_timer_check cgroup_no_v1=all random.trust_cpu=on';

/** The image of this id, if it is in the cache and whole: one that was damaged is built anew. */
export async function findImage(cacheDir: string, id: string): Promise<Image | undefined> {
  const folder = join(cacheDir, folders.images, id);
  const about = aboutSchema.safeParse(await readJson(join(folder, imageFiles.about)));
  const disk = await stat(join(folder, imageFiles.disk)).catch(absent);
  if (disk === undefined || disk.size === 0) return undefined;
  if (!about.success || (await damageOf(folder, about.data.files)) !== undefined) return undefined;
  return {
    id,
    diskPath: join(folder, imageFiles.disk),
    kernelPath: join(folder, imageFiles.kernel),
    initrdPath: join(folder, imageFiles.initrd),
    commandLine,
    sizeBytes: disk.blocks * 512,
    createdAtMs: about.data.createdAtMs,
  };
}

/** Every image in the cache, newest first. */
export async function listImages(cacheDir: string): Promise<Image[]> {
  const ids = (await readdir(join(cacheDir, folders.images)).catch(absent)) ?? [];
  const images = await Promise.all(ids.map((id) => findImage(cacheDir, id)));
  return images.filter((image) => image !== undefined).sort((a, b) => b.createdAtMs - a.createdAtMs);
}

/** Where the initrd of the KVM probe lies, beside the image's own. */
export function probeInitrdPath(image: Image): string {
  return join(image.initrdPath, '..', imageFiles.probeInitrd);
}

/** Removes an image. The caller knows that no machine stands on it. Idempotent. */
export async function removeImage(cacheDir: string, id: string): Promise<void> {
  await rm(join(cacheDir, folders.images, id), { recursive: true, force: true });
}
