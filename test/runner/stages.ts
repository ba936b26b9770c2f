import { globSync } from 'node:fs';

/** One part of `npm test`. Either a command, or test files. */
export interface Stage {
  readonly name: string;
  /** Part of `npm run check` too: needs no system packages, daemon or VM. */
  readonly fast: boolean;
  /** Runs VMs, so the image must be there (test/prepare.ts). */
  readonly needsImage: boolean;
  /** A script for Node and its arguments; null when the stage is test files. */
  readonly command: readonly string[] | null;
  /** Relative to the repository, sorted. */
  readonly files: readonly string[];
  readonly concurrency: number;
  /** For the command, or for each file: a hang ends as a failure with the file's name. */
  readonly timeLimitMs: number;
}

const minuteMs = 60_000;
/** Limits are some five times what files take on two quick cores: only what hangs should meet them. */
const fastLimitMs = 3 * minuteMs;

/** What differs, by folder below test/, from a stage that runs VMs and one file after the other. */
const differences: Readonly<Record<string, Partial<Stage>>> = {
  api: { fast: true, needsImage: false, concurrency: 2, timeLimitMs: fastLimitMs },
  backup: { fast: true, needsImage: false, concurrency: 2, timeLimitMs: fastLimitMs },
  bare: { needsImage: false, timeLimitMs: 20 * minuteMs },
  browser: { needsImage: false },
  accounts: { fast: true, needsImage: false, concurrency: 2, timeLimitMs: fastLimitMs },
  handlers: { needsImage: false, concurrency: 2 },
  sim: { fast: true, needsImage: false, concurrency: 2, timeLimitMs: 2 * fastLimitMs },
  image: { needsImage: false },
  libvirt: { needsImage: false },
  storage: { fast: true, needsImage: false, timeLimitMs: fastLimitMs },
  services: { fast: true, needsImage: false, timeLimitMs: fastLimitMs },
  web: { fast: true, needsImage: false, timeLimitMs: fastLimitMs },
  e2e: { timeLimitMs: 20 * minuteMs },
};
/** Folders that are not here run after these, and e2e runs last. */
const firstFolders = ['sim', 'conformance', 'libvirt', 'image', 'agent', 'security'];
const lastFolder = 'e2e';
/** Tests of the test tools themselves; they are in fast stages. */
const toolFolders = ['runner', 'tidy'];

/** All stages in their order. Each folder below test/ that has test files is one, so that none is left out. */
export function allStages(): Stage[] {
  const found = new Set(globSync('test/*/**/*.test.ts').map((file) => file.split('/')[1] ?? ''));
  const others = [...found].filter((name) => ![...firstFolders, lastFolder, ...toolFolders].includes(name)).sort();
  const folders = [...firstFolders, ...others, lastFolder].filter((name) => found.has(name));
  const fast = { fast: true, needsImage: false, concurrency: 2, timeLimitMs: fastLimitMs };
  const stages = [
    stage('types', { ...fast, command: ['node_modules/.bin/tsc', '-p', '.'] }),
    stage('types-web', { ...fast, command: ['node_modules/.bin/tsc', '-p', 'src/web'] }),
    stage('lint', { ...fast, command: ['node_modules/.bin/biome', 'check', '.'] }),
    stage('unit', { ...fast, files: files('src/**/*.test.ts', 'bench/**/*.test.ts', 'test/runner/*.test.ts') }),
    stage('tidy', { ...fast, files: files('test/*.test.ts', 'test/tidy/*.test.ts') }),
    ...folders.map((name) => stage(name, { files: files(`test/${name}/**/*.test.ts`), ...differences[name] })),
  ];
  return stages.filter(({ command, files }) => command !== null || files.length > 0);
}

/** The stages, or single files of them, that the filters leave: names of stages, or parts of paths. None leave all. */
export function selectStages(stages: readonly Stage[], filters: readonly string[]): Stage[] {
  if (filters.length === 0) return [...stages];
  return stages
    .map((stage) => {
      if (filters.includes(stage.name)) return stage;
      return {
        ...stage,
        command: null,
        files: stage.files.filter((file) => filters.some((part) => file.includes(part))),
      };
    })
    .filter(({ command, files }) => command !== null || files.length > 0);
}

function stage(name: string, given: Partial<Stage>): Stage {
  const usual = { fast: false, needsImage: true, command: null, files: [], concurrency: 1, timeLimitMs: 10 * minuteMs };
  return { ...usual, name, ...given };
}

function files(...patterns: string[]): string[] {
  return globSync(patterns).sort();
}
