import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ESTree, type ParseResult, parseSync } from 'rolldown/utils';

/** A parsed TypeScript file. */
export interface Source {
  /** Relative to the repository, e.g. `src/domain/vm.ts`. */
  readonly path: string;
  readonly text: string;
  readonly program: ESTree.Program;
  readonly comments: ParseResult['comments'];
  readonly imports: readonly Import[];
}

export interface Import {
  /** As written, e.g. `../domain/vm.ts`, `node:fs`, `zod`. */
  readonly specifier: string;
  /** The file in the repository that a relative import means; undefined for packages. */
  readonly target: string | undefined;
  readonly line: number;
}

/** All TypeScript files of these folders, without fixtures (which may be wrong on purpose). */
export function loadSources(...folders: string[]): Source[] {
  const paths = globSync(folders.map((folder) => `${folder}/**/*.{ts,tsx}`)).sort();
  return paths
    .filter((path) => !path.includes('/fixtures/'))
    .map((path) => parseSource(path, readFileSync(path, 'utf8')));
}

/** Parses a file's text. Throws when it is not TypeScript. */
export function parseSource(path: string, text: string): Source {
  const { program, comments, errors, module } = parseSync(path, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${path}: ${error.message}`);
  const found = [
    ...module.staticImports.map(({ moduleRequest }) => ({ specifier: moduleRequest.value, at: moduleRequest.start })),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest }) =>
        moduleRequest === null ? [] : [{ specifier: moduleRequest.value, at: moduleRequest.start }],
      ),
    ),
    ...module.dynamicImports.map(({ moduleRequest: { start, end } }) => ({
      specifier: text.slice(start + 1, end - 1),
      at: start,
    })),
  ];
  const imports = found.map(({ specifier, at }) => ({
    specifier,
    target: specifier.startsWith('.') ? join(dirname(path), specifier) : undefined,
    line: lineOf(text, at),
  }));
  return { path, text, program, comments, imports };
}

/** Line of an offset, from 1. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** `src/domain/vm.ts` lies in `domain`; undefined outside src and for files directly in it. */
export function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts');
}
