import { dirname, join } from 'node:path';

/** A text file of the repository. */
export interface Document {
  readonly path: string;
  readonly text: string;
}

/** Folders of src that the architecture document does not tell of. */
export function checkCodeMap(folders: readonly string[], architecture: string): string[] {
  return folders
    .filter((folder) => !architecture.includes(`src/${folder}/`))
    .map((folder) => `docs/ARCHITECTURE.md: the code map has no src/${folder}/`);
}

/** And folders that it tells of though they are not there. */
export function checkCodeMapExists(folders: readonly string[], architecture: string): string[] {
  const mentioned = new Set([...architecture.matchAll(/src\/([a-z0-9-]+)\//g)].map((match) => match[1] ?? ''));
  return [...mentioned]
    .filter((folder) => !folders.includes(folder))
    .map((folder) => `docs/ARCHITECTURE.md: there is no src/${folder}/`);
}

/** npm packages that no ADR gives a reason for. */
export function checkDependencies(packages: readonly string[], adrs: string): string[] {
  return packages
    .filter((name) => !adrs.includes(`\`${name}\``))
    .map((name) => `docs/adr: no line says why \`${name}\` is a dependency`);
}

/** Links in Markdown to files that are not there. */
export function checkLinks({ path, text }: Document, exists: (path: string) => boolean): string[] {
  return [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map((match) => match[1] ?? '')
    .filter((target) => !/^[a-z]+:/.test(target) && !exists(join(dirname(path), target)))
    .map((target) => `${path}: the link to ${target} leads nowhere`);
}

/** Paths that exist only on somebody's own machine. */
export function checkPaths({ path, text }: Document, repository: string): string[] {
  const homes = text.match(/\/(?:home|Users)\/\w[\w.-]*\/|\/root\/[.\w]/g) ?? [];
  const own = text.includes(`${repository}/`) ? [repository] : [];
  return [...homes, ...own].map((found) => `${path}: ${found} is a path of one machine`);
}

/** Entries of package-lock.json that name a registry: those of one machine work nowhere else. */
export function checkLockFile(lock: string): string[] {
  const hosts = [...lock.matchAll(/"resolved": "(https?:\/\/[^/"]+)/g)].map((match) => match[1] ?? '');
  return [...new Set(hosts)]
    .filter((host) => host !== 'https://registry.npmjs.org')
    .map((host) => `package-lock.json: packages are resolved at ${host}`);
}
