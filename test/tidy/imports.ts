import { type Layer, layers, testLayer } from './layers.ts';
import { folderOf, isTest, type Source } from './source.ts';

/** Imports that the table of layers does not allow. */
export function checkLayers(sources: readonly Source[], table: Readonly<Record<string, Layer>> = layers): string[] {
  return sources.flatMap((source) => {
    const folder = folderOf(source.path);
    if (folder === undefined) return [`${source.path}: every file of src lies in a folder that has a layer`];
    const layer = table[folder];
    if (layer === undefined) return [`${source.path}: the folder ${folder} is not in test/tidy/layers.ts`];
    const extra = isTest(source.path) ? testLayer : { imports: [], packages: [] };
    const folders = [folder, ...layer.imports, ...extra.imports];
    const packages = [...layer.packages, ...extra.packages];
    return source.imports
      .filter(({ specifier, target }) => {
        if (target === undefined) return !specifier.startsWith('node:') && !packages.includes(packageOf(specifier));
        // package.json and the like are data, not code.
        if (!/\.tsx?$/.test(target)) return false;
        return !folders.some((allowed) => target === `src/${allowed}` || target.startsWith(`src/${allowed}/`));
      })
      .map(({ specifier, line }) => `${source.path}:${line}: ${folder} may not import ${specifier}`);
  });
}

/**
 * npm packages that the agent would take into its bundle by way of other folders. Types are erased, but a file that is
 * imported only for its types is counted too: nothing keeps such an import from becoming a real one.
 */
export function checkAgentBundle(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set(
    sources.map(({ path }) => path).filter((path) => folderOf(path) === 'agent' && !isTest(path)),
  );
  const problems: string[] = [];
  for (const path of reached) {
    for (const { specifier, target, line } of byPath.get(path)?.imports ?? []) {
      if (target !== undefined) reached.add(target);
      else if (!specifier.startsWith('node:'))
        problems.push(`${path}:${line}: ${specifier} would be in the agent's bundle`);
    }
  }
  return problems;
}

/** Circles of imports, each once, as `a.ts -> b.ts -> a.ts`. */
export function checkCycles(sources: readonly Source[]): string[] {
  const targets = new Map(sources.map(({ path, imports }) => [path, imports.flatMap(({ target }) => target ?? [])]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path].join(' -> '));
    if (start >= 0 || done.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return cycles;
}

/** `@fastify/swagger/x` is of the package `@fastify/swagger`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
