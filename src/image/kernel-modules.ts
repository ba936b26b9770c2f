/**
 * Which kernel module files a list of wanted modules needs, in the order in which they can be inserted.
 *
 * The package's `modules.dep` is made by depmod in a maintainer script, which the image build never runs; each
 * module carries the same knowledge in its `.modinfo` section (`depends=a,b`), so it is read from there.
 */

/** One `.ko` of the kernel package, decompressed. */
export interface ModuleFile {
  /** As the kernel knows it: `virtio_blk`. */
  readonly name: string;
  readonly depends: readonly string[];
}

/** `kernel/drivers/block/virtio-blk.ko.xz` -> `virtio_blk`: the kernel treats dashes and underscores alike. */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf('/') + 1);
  return file.replace(/\.ko(\.\w+)?$/, '').replaceAll('-', '_');
}

/** Reads the `depends=` entry of a decompressed module. Its entries are separated by NUL bytes. */
export function moduleDepends(content: Buffer): string[] {
  const key = Buffer.from('\0depends=');
  const at = content.indexOf(key);
  if (at < 0) return [];
  const end = content.indexOf(0, at + key.length);
  const value = content.toString('latin1', at + key.length, end < 0 ? content.length : end);
  return value
    .split(',')
    .filter((name) => name !== '')
    .map((name) => name.replaceAll('-', '_'));
}

/**
 * The wanted modules and all that they depend on, each after its dependencies. `find` gives a module by name, or
 * `'builtin'` when the kernel has it in itself, or undefined when the kernel has no such thing.
 * `missing` lists wanted names and dependencies that were not found.
 */
export function moduleClosure(
  wanted: readonly string[],
  find: (name: string) => ModuleFile | 'builtin' | undefined,
): { readonly order: readonly string[]; readonly missing: readonly string[] } {
  const order: string[] = [];
  const missing: string[] = [];
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const module = find(name);
    if (module === 'builtin') return;
    if (module === undefined) {
      missing.push(name);
      return;
    }
    for (const dependency of module.depends) visit(dependency);
    order.push(name);
  };
  for (const name of wanted) visit(name);
  return { order, missing };
}

/** The `modules.dep` text that busybox modprobe reads: `path: paths of its dependencies, nearest first`. */
export function modulesDep(paths: ReadonlyMap<string, string>, modules: ReadonlyMap<string, ModuleFile>): string {
  const lines: string[] = [];
  for (const [name, path] of paths) {
    const { order } = moduleClosure([name], (other) => modules.get(other) ?? 'builtin');
    const needed = order.filter((other) => other !== name).reverse();
    lines.push(`${path}: ${needed.map((other) => paths.get(other) ?? '').join(' ')}`.trimEnd());
  }
  return `${lines.join('\n')}\n`;
}
