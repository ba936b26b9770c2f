import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Runtime } from '../domain/image.ts';
import { folders } from './cache.ts';

export const runtimeFiles = { disk: 'runtime.squashfs', about: 'runtime.json' } as const;

/** The runtime of this name and id, if it is in the cache. */
export async function findRuntime(cacheDir: string, name: string, id: string): Promise<Runtime | undefined> {
  const folder = join(cacheDir, folders.runtimes, `${name}-${id}`);
  const text = await readFile(join(folder, runtimeFiles.about), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const about: unknown = JSON.parse(text);
  if (typeof about !== 'object' || about === null || !('createdAtMs' in about)) return undefined;
  const path = join(folder, runtimeFiles.disk);
  return { name, id, path, sizeBytes: (await stat(path)).size, createdAtMs: Number(about.createdAtMs) };
}

/** Every runtime in the cache, newest first; of a name that was built again, the first is the current one. */
export async function listRuntimes(cacheDir: string): Promise<Runtime[]> {
  const names = await readdir(join(cacheDir, folders.runtimes)).catch(() => []);
  const runtimes = await Promise.all(
    names.map((folder) => {
      const dash = folder.lastIndexOf('-');
      return findRuntime(cacheDir, folder.slice(0, dash), folder.slice(dash + 1));
    }),
  );
  return runtimes.filter((runtime) => runtime !== undefined).sort((a, b) => b.createdAtMs - a.createdAtMs);
}

/** Removes a runtime. The caller knows that no machine has it attached. Idempotent. */
export async function removeRuntime(cacheDir: string, runtime: Pick<Runtime, 'name' | 'id'>): Promise<void> {
  await rm(join(cacheDir, folders.runtimes, `${runtime.name}-${runtime.id}`), { recursive: true, force: true });
}
