import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { TidepoolError } from '../domain/errors.ts';
import type { RunCommand } from './command.ts';
import { writeInto } from './disk.ts';
import { type ModuleFile, moduleClosure, moduleDepends, moduleName, modulesDep } from './kernel-modules.ts';
import { bootModules, lateModules } from './recipe.ts';

/** The kernel among the unpacked packages, with the modules that the guest takes over. */
export interface GuestKernel {
  readonly version: string;
  readonly kernelPath: string;
  /** Loaded by the initrd, in this order. */
  readonly boot: readonly string[];
  /** All modules taken over, by name; content decompressed. */
  readonly modules: ReadonlyMap<string, { readonly path: string; readonly content: Buffer }>;
}

/** Error: `internal` when the packages have no kernel, or a module that the initrd needs is missing. */
export async function readGuestKernel(packages: string, run: RunCommand): Promise<GuestKernel> {
  const versions = await readdir(join(packages, 'usr/lib/modules')).catch(() => []);
  const version = versions[0];
  if (version === undefined || versions.length !== 1) {
    throw new TidepoolError('internal', `the guest packages should have one kernel and have ${versions.length}`);
  }
  const folder = join(packages, 'usr/lib/modules', version);
  const builtin = new Set((await readFile(join(folder, 'modules.builtin'), 'utf8')).split('\n').map(moduleName));
  const paths = new Map<string, string>();
  for (const path of await readdir(folder, { recursive: true })) {
    if (/\.ko(\.\w+)?$/.test(path)) paths.set(moduleName(path), path);
  }

  const modules = new Map<string, { path: string; content: Buffer } & ModuleFile>();
  // Reading is asynchronous and the closure is pure, so dependencies are read until none is unknown.
  let waiting: readonly string[] = [...bootModules, ...lateModules];
  while (waiting.length > 0) {
    const next: string[] = [];
    for (const name of waiting) {
      const path = paths.get(name);
      if (path === undefined || modules.has(name)) continue;
      const content = await readModule(join(folder, path), run);
      const depends = moduleDepends(content);
      modules.set(name, { name, depends, content, path: path.replace(/\.ko\.\w+$/, '.ko') });
      next.push(...depends);
    }
    waiting = next;
  }
  const find = (name: string) => modules.get(name) ?? (builtin.has(name) ? 'builtin' : undefined);
  const boot = moduleClosure(bootModules, find);
  if (boot.missing.length > 0) {
    throw new TidepoolError('internal', `kernel ${version} has no module ${boot.missing.join(', ')}`);
  }
  return { version, kernelPath: join(packages, 'boot', `vmlinuz-${version}`), boot: boot.order, modules };
}

/** Newer distributions compress modules; the guest gets them plain, because busybox cannot unpack all forms. */
async function readModule(path: string, run: RunCommand): Promise<Buffer> {
  if (path.endsWith('.xz')) {
    // Node has no xz; the text form of a kept output would not be binary-safe, so the file is unpacked in place.
    await run({ program: 'xz', args: ['--decompress', '--keep', '--force', path] });
    return readFile(path.slice(0, -3));
  }
  const content = await readFile(path);
  if (path.endsWith('.zst')) return zstdDecompressSync(content);
  return path.endsWith('.gz') ? gunzipSync(content) : content;
}

/** Puts the modules and their index into the guest's root, and nothing of the kernel's other modules. */
export async function installModules(kernel: GuestKernel, root: string): Promise<void> {
  const folder = join('usr/lib/modules', kernel.version);
  await mkdir(join(root, folder), { recursive: true });
  const paths = new Map<string, string>();
  const files = new Map<string, ModuleFile>();
  for (const [name, { path, content }] of kernel.modules) {
    await writeInto(root, join(folder, path), 0o644, content);
    paths.set(name, path);
    files.set(name, { name, depends: moduleDepends(content) });
  }
  await writeInto(root, join(folder, 'modules.dep'), 0o644, modulesDep(paths, files));
}

/** Copies the kernel itself beside the disk. */
export async function copyKernel(kernel: GuestKernel, target: string): Promise<void> {
  await copyFile(kernel.kernelPath, target);
}
