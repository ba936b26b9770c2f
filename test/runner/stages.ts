import { globSync } from 'node:fs';

/** One part of `npm test`. Either a command, or test files. */
export interface Stage {
  readonly name: string;
  /** Needs no system packages, daemon or VM. */
  readonly fast: boolean;
  /** Runs VMs, so the image must be there (test/prepare.ts). */
  readonly needsImage: boolean;
  /** A script for Node and its arguments; null when the stage is test files. */
  readonly command: readonly string[] | null;
  /** Relative to the repository, sorted. */
  readonly files: readonly string[];
  /** For the command, or for each file: a hang ends as a failure with the file's name. */
  readonly timeLimitMs: number;
}

/** One test file of a stage, or its command. */
export interface Piece {
  readonly stage: Stage;
  /** Null is the command. */
  readonly file: string | null;
  /** Nothing else runs beside it. */
  readonly isAlone: boolean;
}

const minuteMs = 60_000;
/** Limits are some five times what files take on two quick cores: only what hangs should meet them. */
const fastLimitMs = 3 * minuteMs;

/** Files, or folders of them, that cannot bear a neighbour, with the reason. */
export const alone: Readonly<Record<string, string>> = {
  'test/e2e/demo.test.ts': 'it must be over within five minutes, of which it takes two with all cores',
  'test/soak/soak.test.ts':
    'its faults fill disks and stop processes, and its VMs must come back within a limit of time',
};
/** Files that take longest among those that run VMs. They start first: else one of them would run last, by itself. */
export const longest: readonly string[] = [
  'test/e2e/services.test.ts',
  'test/workers/joined.test.ts',
  'test/agent/service.test.ts',
  'test/e2e/elastic.test.ts',
  'test/security/service.test.ts',
  'test/bare/bare.test.ts',
  'test/e2e/faults.test.ts',
  'test/security/exhaustion.test.ts',
  'test/security/sandbox.test.ts',
  'test/e2e/run.test.ts',
  'test/e2e/ordinary-user.test.ts',
  'test/e2e/image-runtime.test.ts',
  'test/e2e/restart.test.ts',
  'test/conformance/service-link-vm.test.ts',
  'test/requirements/build.test.ts',
  'test/e2e/dashboard.test.ts',
  'test/e2e/image.test.ts',
  'test/conformance/balancer-faults.test.ts',
  'test/handlers/processes.test.ts',
  'test/browser/pools.test.ts',
  'test/libvirt/session.test.ts',
];

/** What `npm run check` leaves to `npm test`, so that it is over within a minute: what takes seconds of CPU time. */
export const leftOutOfCheck: readonly string[] = [
  'src/accounts/names.test.ts',
  'src/agent/folders.test.ts',
  'src/autoscaler/live.test.ts',
  'src/cli/load.test.ts',
  'src/jobs/schedule.property.test.ts',
  'src/loadgen/load.test.ts',
  'src/loadgen/sockets.test.ts',
  'src/metrics/sampler.test.ts',
  'src/report/requests.test.ts',
  'src/simulator/pace.test.ts',
  'src/simulator/predict.test.ts',
  'src/simulator/run.test.ts',
  'src/sqlite/counters.property.test.ts',
  'src/sqlite/migrate.test.ts',
  'src/sqlite/pace.test.ts',
  'test/accounts/access-matrix.test.ts',
  'test/accounts/cli.test.ts',
  'test/accounts/cut-off.test.ts',
  'test/accounts/proxy.test.ts',
  'test/accounts/users.test.ts',
  'test/api/cli.test.ts',
  'test/api/fuzz.test.ts',
  'test/api/old-doors.test.ts',
  'test/api/results.test.ts',
  'test/api/storage.test.ts',
  'test/api/worker-link.test.ts',
  'test/backup/',
  'test/runner/run-file.test.ts',
  'test/services/',
  'test/sim/autoscaling.test.ts',
  'test/sim/bad-days.test.ts',
  'test/sim/found.test.ts',
  'test/sim/mutations.test.ts',
  'test/sim/pool-faults.test.ts',
  'test/sim/pool.test.ts',
  'test/sim/restarts.test.ts',
  'test/sim/scheduling.test.ts',
  'test/sim/take-up.test.ts',
  'test/storage/',
  'test/web/site.test.ts',
];

/** What differs, by folder below test/, from a stage that runs VMs. */
const differences: Readonly<Record<string, Partial<Stage>>> = {
  api: { fast: true, needsImage: false, timeLimitMs: fastLimitMs },
  backup: { fast: true, needsImage: false, timeLimitMs: fastLimitMs },
  bare: { needsImage: false },
  browser: { needsImage: false },
  accounts: { fast: true, needsImage: false, timeLimitMs: fastLimitMs },
  handlers: { needsImage: false },
  sim: { fast: true, needsImage: false, timeLimitMs: 2 * fastLimitMs },
  image: { needsImage: false },
  libvirt: { needsImage: false },
  storage: { fast: true, needsImage: false, timeLimitMs: fastLimitMs },
  soak: { timeLimitMs: 35 * minuteMs },
  services: { fast: true, needsImage: false, timeLimitMs: fastLimitMs },
  web: { fast: true, needsImage: false, timeLimitMs: fastLimitMs },
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
  const fast = { fast: true, needsImage: false, timeLimitMs: fastLimitMs };
  const stages = [
    stage('types', { ...fast, command: ['node_modules/.bin/tsc', '-p', '.', ...typesCache('main')] }),
    stage('types-web', { ...fast, command: ['node_modules/.bin/tsc', '-p', 'src/web', ...typesCache('web')] }),
    stage('lint', { ...fast, command: ['node_modules/.bin/biome', 'check', '.'] }),
    stage('unit', { ...fast, files: files('src/**/*.test.ts', 'bench/**/*.test.ts', 'test/runner/*.test.ts') }),
    stage('tidy', { ...fast, files: files('test/*.test.ts', 'test/tidy/*.test.ts') }),
    ...folders.map((name) => stage(name, { files: files(`test/${name}/**/*.test.ts`), ...differences[name] })),
  ];
  return stages.filter(({ command, files }) => command !== null || files.length > 0);
}

/** The stages of `npm run check`: those that are fast, without the files that take too long for it. */
export function stagesOfCheck(stages: readonly Stage[]): Stage[] {
  return stages
    .filter(({ fast }) => fast)
    .map((stage) => ({
      ...stage,
      files: stage.files.filter((file) => !leftOutOfCheck.some((path) => file.startsWith(path))),
    }))
    .filter(({ command, files }) => command !== null || files.length > 0);
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

/**
 * All files and commands of stages, in the order in which they start: those that need nothing of the system, then those that
 * take longest, at last those that run alone.
 */
export function pieces(stages: readonly Stage[]): Piece[] {
  const all = stages.flatMap((stage) => {
    const command = stage.command === null ? [] : [null];
    return [...command, ...stage.files].map((file) => ({ stage, file, isAlone: isAlone(file) }));
  });
  const place = ({ stage, file, isAlone }: Piece): number => {
    if (stage.fast) return -1;
    const found = longest.indexOf(file ?? '');
    return longest.length * Number(isAlone) + (found < 0 ? longest.length : found);
  };
  return all.sort((a, b) => place(a) - place(b));
}

/** What is unchanged since the last run is not checked again. */
function typesCache(name: string): string[] {
  return ['--incremental', '--tsBuildInfoFile', `node_modules/.cache/${name}.tsbuildinfo`];
}

function isAlone(file: string | null): boolean {
  return file !== null && Object.keys(alone).some((path) => file.startsWith(path));
}

function stage(name: string, given: Partial<Stage>): Stage {
  const usual = { fast: false, needsImage: true, command: null, files: [], timeLimitMs: 20 * minuteMs };
  return { ...usual, name, ...given };
}

function files(...patterns: string[]): string[] {
  return globSync(patterns).sort();
}
