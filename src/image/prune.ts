import { stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import type { Image, Runtime } from '../domain/image.ts';
import { isLayered } from '../domain/requirements.ts';
import { folders, withCacheLock } from './cache.ts';
import { imageFiles, listImages, removeImage } from './image-store.ts';
import { dropAbandonedLeases, type Lease, readLeases } from './leases.ts';
import { listRuntimes, removeRuntime, runtimeFiles } from './runtime-store.ts';

/** What was used within this time may be about to be used again: a lease is written a little after that. */
const graceMs = 3_600_000;

/** An image or a runtime's disk, and when somebody used it last. */
export interface Used<T> {
  readonly it: T;
  readonly usedAtMs: number;
}

export interface PruneRule {
  /** The newest images that stay whatever they are for; the first is the current one. */
  readonly keepImages: number;
  /** All kept images together, without those that are needed. */
  readonly maxImageBytes: number;
}

export const defaultPruneRule: PruneRule = { keepImages: 3, maxImageBytes: 8 * 1024 ** 3 };

/**
 * The images that nobody needs, oldest first. Pure. The current one stays, and what an installation named, and what was
 * used just now; of the others the newest few within the bound.
 * @param images newest first
 */
export function spareImages(
  images: readonly Used<Image>[],
  leases: readonly Lease[],
  { keepImages, maxImageBytes }: PruneRule,
  nowMs: number,
): Image[] {
  const needed = new Set(leases.flatMap((lease) => lease.images));
  const spare: Image[] = [];
  let [count, bytes] = [0, 0];
  for (const [index, { it, usedAtMs }] of images.entries()) {
    count += 1;
    if (index === 0 || needed.has(it.id) || nowMs - usedAtMs < graceMs) continue;
    bytes += it.sizeBytes;
    if (count > keepImages || bytes > maxImageBytes) spare.push(it);
  }
  return spare.reverse();
}

/**
 * The disks of runtimes that were built again since, and that no VM can have. Pure. A disk with the newest build of a name
 * stays: only its user knows whether it is needed, and the ones with requirements have a bound of their own.
 * @param runtimes newest first
 */
export function spareRuntimes(runtimes: readonly Used<Runtime>[], leases: readonly Lease[], nowMs: number): Runtime[] {
  const newest = new Map<string, Runtime>();
  const spare: Runtime[] = [];
  for (const { it, usedAtMs } of runtimes) {
    const current = newest.get(it.name);
    if (current === undefined) newest.set(it.name, it);
    if (current === undefined || nowMs - usedAtMs < graceMs) continue;
    const mayBeOn = leases.some(({ oldestVmMs }) => oldestVmMs !== null && oldestVmMs < current.createdAtMs + graceMs);
    if (!mayBeOn) spare.push(it);
  }
  return spare;
}

/**
 * The runtimes with requirements that go for a new one, those that were used the longest ago first. Pure. None goes that an
 * installation named or that was used just now; then there are more than `keep` for a while.
 */
export function spareLayered(
  runtimes: readonly Used<Runtime>[],
  leases: readonly Lease[],
  keep: number,
  nowMs: number,
  unusedForMs = graceMs,
): Runtime[] {
  const layered = runtimes.filter(({ it }) => isLayered(it.name)).sort((a, b) => b.usedAtMs - a.usedAtMs);
  const needed = new Set(leases.flatMap((lease) => lease.runtimes));
  return layered
    .slice(keep)
    .filter(({ it, usedAtMs }) => !needed.has(it.name) && nowMs - usedAtMs >= unusedForMs)
    .map(({ it }) => it)
    .reverse();
}

/** A runtime that was used within this time is about to be named by a lease. */
const justUsedMs = 120_000;

/**
 * The runtimes with requirements that go because there may be no more than `most`, however lately they were used. Pure. What an
 * installation names stays all the same: `neededLayered` says whether one more may be built.
 */
export function surplusLayered(
  runtimes: readonly Used<Runtime>[],
  leases: readonly Lease[],
  most: number,
  nowMs: number,
): Runtime[] {
  return spareLayered(runtimes, leases, most, nowMs, justUsedMs);
}

/** Number of runtimes with requirements that would stay if one of at most `most` were to come. Pure. */
export function neededLayered(
  runtimes: readonly Used<Runtime>[],
  leases: readonly Lease[],
  most: number,
  nowMs: number,
): number {
  const layered = runtimes.filter(({ it }) => isLayered(it.name));
  return layered.length - surplusLayered(layered, leases, most - 1, nowMs).length;
}

/** All images, newest first, with their last uses. */
export function usedImages(cacheDir: string): Promise<Used<Image>[]> {
  return listImages(cacheDir).then((all) =>
    Promise.all(all.map(async (it) => ({ it, usedAtMs: await usedAt(imageMark(cacheDir, it.id), it.createdAtMs) }))),
  );
}

/** All disks of runtimes, newest first, with their last uses. */
export function usedRuntimes(cacheDir: string): Promise<Used<Runtime>[]> {
  return listRuntimes(cacheDir).then((all) =>
    Promise.all(all.map(async (it) => ({ it, usedAtMs: await usedAt(runtimeMark(cacheDir, it), it.createdAtMs) }))),
  );
}

/** Notes that somebody is about to use an image. */
export async function noteImageUse(cacheDir: string, id: string, clock: Pick<Clock, 'now'>): Promise<void> {
  await touch(imageMark(cacheDir, id), clock);
}

/** Notes that runtimes are in use. */
export async function noteRuntimeUse(
  cacheDir: string,
  runtimes: readonly Pick<Runtime, 'name' | 'id'>[],
  clock: Pick<Clock, 'now'>,
): Promise<void> {
  await Promise.all(runtimes.map((runtime) => touch(runtimeMark(cacheDir, runtime), clock)));
}

/** Removes what nobody needs, and leases of installations that are gone, as the cache's only builder. Returns what went, or with `isDry` what would go. */
export async function prune(
  cacheDir: string,
  rule: PruneRule,
  clock: Pick<Clock, 'now'>,
  isDry = false,
): Promise<{ readonly images: readonly Image[]; readonly runtimes: readonly Runtime[] }> {
  return withCacheLock(cacheDir, { onWait: () => undefined }, async () => {
    const leases = await readLeases(cacheDir);
    const images = spareImages(await usedImages(cacheDir), leases, rule, clock.now());
    const runtimes = spareRuntimes(await usedRuntimes(cacheDir), leases, clock.now());
    if (!isDry) {
      for (const { id } of images) await removeImage(cacheDir, id);
      for (const runtime of runtimes) await removeRuntime(cacheDir, runtime);
      await dropAbandonedLeases(cacheDir, clock.now());
    }
    return { images, runtimes };
  });
}

function imageMark(cacheDir: string, id: string): string {
  return join(cacheDir, folders.images, id, imageFiles.about);
}

function runtimeMark(cacheDir: string, { name, id }: Pick<Runtime, 'name' | 'id'>): string {
  return join(cacheDir, folders.runtimes, `${name}-${id}`, runtimeFiles.about);
}

/** The time of the file that says what it is. A file that is gone is of no matter. */
async function usedAt(mark: string, createdAtMs: number): Promise<number> {
  const facts = await stat(mark).catch(() => undefined);
  return Math.max(createdAtMs, facts?.mtimeMs ?? 0);
}

async function touch(mark: string, clock: Pick<Clock, 'now'>): Promise<void> {
  const now = clock.now() / 1_000;
  await utimes(mark, now, now).catch(() => undefined);
}
