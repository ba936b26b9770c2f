import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TidepoolError } from '../domain/errors.ts';
import type { ImageProcess, Runtime } from '../domain/image.ts';
import { absent, readJson } from '../files/durable.ts';
import { folders } from './cache.ts';
import { damageOf, filesSchema, isCutSquashfs } from './whole-files.ts';

export const runtimeFiles = { disk: 'runtime.squashfs', about: 'runtime.json' } as const;

const processSchema: z.ZodType<ImageProcess> = z.object({
  uid: z.int(),
  gid: z.int(),
  environment: z.record(z.string(), z.string()),
  workingFolder: z.string(),
  entrypoint: z.array(z.string()),
  command: z.array(z.string()),
});
/** What lies beside a runtime's disk. */
const aboutSchema = z.object({
  createdAtMs: z.number(),
  image: processSchema.nullable().default(null),
  files: filesSchema,
});
export type AboutRuntime = Omit<z.output<typeof aboutSchema>, 'files'>;

/**
 * A runtime in the cache. `removed`: somebody removed its disk, and what its name meant is still known. `damaged`: its files are not
 * those that were built, in words; `image` is undefined when that is not known either.
 */
export type KeptRuntime = { readonly name: string; readonly createdAtMs: number } & (
  | { readonly state: 'whole'; readonly runtime: Runtime }
  | { readonly state: 'removed' }
  | { readonly state: 'damaged'; readonly why: string; readonly image: ImageProcess | null | undefined }
);

/** The runtime of this name and id, if it is in the cache and whole. */
export async function findRuntime(cacheDir: string, name: string, id: string): Promise<Runtime | undefined> {
  const kept = await keptRuntime(cacheDir, name, id);
  return kept?.state === 'whole' ? kept.runtime : undefined;
}

/** Undefined for a folder that is none of a runtime. */
async function keptRuntime(cacheDir: string, name: string, id: string): Promise<KeptRuntime | undefined> {
  const folder = join(cacheDir, folders.runtimes, `${name}-${id}`);
  const path = join(folder, runtimeFiles.disk);
  const about = aboutSchema.safeParse(await readJson(join(folder, runtimeFiles.about)));
  const disk = await stat(path).catch(absent);
  if (!about.success) {
    if (disk === undefined) return undefined;
    const why = `${join(folder, runtimeFiles.about)} cannot be read`;
    return { name, createdAtMs: 0, state: 'damaged', why, image: undefined };
  }
  const { files, createdAtMs, image } = about.data;
  if (disk === undefined) return { name, createdAtMs, state: 'removed' };
  const isShort = disk.size === 0 || (Object.keys(files).length === 0 && (await isCutSquashfs(path)));
  const why = isShort ? `${path} is cut off after ${disk.size} bytes` : await damageOf(folder, files);
  if (why !== undefined) return { name, createdAtMs, state: 'damaged', why, image };
  const runtime = { name, id, path, sizeBytes: disk.size, createdAtMs, image };
  return { name, createdAtMs, state: 'whole', runtime };
}

/**
 * Everything that the cache knows of runtimes, newest first.
 * @param names of the folders of runtimes
 */
async function keptOf(cacheDir: string, names: readonly string[]): Promise<KeptRuntime[]> {
  const kept = await Promise.all(idsOf(names).map(([name, id]) => keptRuntime(cacheDir, name, id)));
  return kept.filter((one) => one !== undefined).sort((a, b) => b.createdAtMs - a.createdAtMs);
}

/** Every whole runtime in the cache, newest first; of a name that was built again, the first is the current one. */
export async function listRuntimes(cacheDir: string): Promise<Runtime[]> {
  const kept = await keptOf(cacheDir, await folderNames(cacheDir));
  return kept.flatMap((one) => (one.state === 'whole' ? [one.runtime] : []));
}

/**
 * Everything that the cache knows of runtimes, newest first, for a server that has used the cache. Error: `unavailable` when the
 * folder of runtimes cannot be read, which says nothing of what is in it.
 */
export async function readRuntimes(cacheDir: string): Promise<KeptRuntime[]> {
  const folder = join(cacheDir, folders.runtimes);
  const names = await readdir(folder).catch((cause: unknown) => {
    const { code = '' } = cause as NodeJS.ErrnoException;
    throw new TidepoolError('unavailable', `the folder of runtimes ${folder} cannot be read (${code})`, { cause });
  });
  return keptOf(cacheDir, names);
}

/** The ids that a name has had, those of removed runtimes too. */
export async function runtimeIds(cacheDir: string, name: string): Promise<string[]> {
  return idsOf(await folderNames(cacheDir))
    .filter(([other]) => other === name)
    .map(([, id]) => id);
}

async function folderNames(cacheDir: string): Promise<string[]> {
  return (await readdir(join(cacheDir, folders.runtimes)).catch(absent)) ?? [];
}

function idsOf(names: readonly string[]): (readonly [name: string, id: string])[] {
  return names.map((folder) => {
    const dash = folder.lastIndexOf('-');
    return [folder.slice(0, dash), folder.slice(dash + 1)];
  });
}

/**
 * Removes a runtime's disk; what its name meant is still known. Machines that have it open keep it until they end.
 * Idempotent.
 */
export async function removeRuntime(cacheDir: string, { name, id }: Pick<Runtime, 'name' | 'id'>): Promise<void> {
  await rm(join(cacheDir, folders.runtimes, `${name}-${id}`, runtimeFiles.disk), { force: true });
}

/** Removes all that is known of a runtime. Idempotent. */
export async function forgetRuntime(cacheDir: string, name: string, id: string): Promise<void> {
  await rm(join(cacheDir, folders.runtimes, `${name}-${id}`), { recursive: true, force: true });
}
