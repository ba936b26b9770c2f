import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ImageProcess, Runtime } from '../domain/image.ts';
import { absent, readJson } from '../files/durable.ts';
import { folders } from './cache.ts';

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
const aboutSchema = z.object({ createdAtMs: z.number(), image: processSchema.nullable().default(null) });
export type AboutRuntime = z.output<typeof aboutSchema>;

/** The runtime of this name and id, if it is in the cache. */
export async function findRuntime(cacheDir: string, name: string, id: string): Promise<Runtime | undefined> {
  const folder = join(cacheDir, folders.runtimes, `${name}-${id}`);
  const about = aboutSchema.safeParse(await readJson(join(folder, runtimeFiles.about)));
  if (!about.success) return undefined;
  const path = join(folder, runtimeFiles.disk);
  const disk = await stat(path).catch(absent);
  return disk === undefined || disk.size === 0 ? undefined : { name, id, path, sizeBytes: disk.size, ...about.data };
}

/** Every runtime in the cache, newest first; of a name that was built again, the first is the current one. */
export async function listRuntimes(cacheDir: string): Promise<Runtime[]> {
  const runtimes = await Promise.all((await allIds(cacheDir)).map(([name, id]) => findRuntime(cacheDir, name, id)));
  return runtimes.filter((runtime) => runtime !== undefined).sort((a, b) => b.createdAtMs - a.createdAtMs);
}

/** The ids that a name has had, those of removed runtimes too. */
export async function runtimeIds(cacheDir: string, name: string): Promise<string[]> {
  return (await allIds(cacheDir)).filter(([other]) => other === name).map(([, id]) => id);
}

async function allIds(cacheDir: string): Promise<(readonly [name: string, id: string])[]> {
  const names = (await readdir(join(cacheDir, folders.runtimes)).catch(absent)) ?? [];
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
