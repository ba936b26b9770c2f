import { availableParallelism } from 'node:os';
import { inspect, parseArgs } from 'node:util';
import { ensureSystem } from '../src/cmd/system.ts';
import { errorCodes, toTidepoolError } from '../src/domain/errors.ts';
import { requirementsOf } from '../src/setup/requirements.ts';
import { prepare } from './prepare.ts';
import { inLanes } from './runner/lanes.ts';
import { openTestHypervisor, sweepLeftovers } from './runner/leftovers.ts';
import { runCommand } from './runner/run-command.ts';
import { type Result, runTestFile } from './runner/run-file.ts';
import { allStages, type Piece, pieces, type Stage, selectStages, stagesOfCheck } from './runner/stages.ts';

/** `npm test` and, with `--fast`, `npm run check`. Prints a line for each stage and ends with the summary line. */
const usage = `usage: npm test -- [--only STAGE_OR_PATH]... [--fast] [--list]
  --only   only this stage, or only files whose path has this in it; may be repeated
  --fast   only what needs nothing of the system, and without --only nothing that takes long (npm run check)
  --list   print the stages and their files, and run nothing`;

const interrupted = new AbortController();
const results: Result[] = [];
const stageTimes: { readonly name: string; readonly elapsedMs: number }[] = [];
const slowestShown = 20;
/** Files that run at once: one more than cores, because files with VMs often wait; few enough for the memory of their VMs. */
const lanes = Math.min(availableParallelism(), 4) + 1;
const startedAtMs = performance.now();

process.exitCode = await main().catch((thrown: unknown) => {
  const error = toTidepoolError(thrown);
  process.stderr.write(`tidepool: ${error.code === 'internal' ? inspect(thrown) : error.message}\n`);
  return errorCodes[error.code].exitCode;
});

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) return errorCodes.invalid.exitCode;
  const all = allStages();
  const fast = all.filter((stage) => stage.fast);
  // What is asked for by name is run, whatever it takes.
  const short = options.filters.length > 0 ? fast : stagesOfCheck(fast);
  const stages = selectStages(options.fast ? short : all, options.filters);
  if (stages.length === 0) {
    print(`nothing is named ${options.filters.join(' or ')}\n${usage}`);
    return errorCodes.invalid.exitCode;
  }
  if (options.list) {
    for (const { name, files } of stages) print([name, ...files].join('\n  '));
    return 0;
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort());
  if (stages.some(({ fast }) => !fast)) {
    await ensureSystem(requirementsOf('server', 'test'), interrupted.signal);
    await sweepLeftovers(openTestHypervisor, print);
  }
  await runStages(stages);
  printSummary();
  if (interrupted.signal.aborted) return errorCodes.aborted.exitCode;
  return total('failed') === 0 ? 0 : 1;
}

async function runStages(stages: readonly Stage[]): Promise<void> {
  const preparing = stages.some(({ needsImage }) => needsImage) ? startPreparing() : undefined;
  const all = pieces(stages);
  const left = new Map(stages.map((stage) => [stage, all.filter((piece) => piece.stage === stage).length]));
  const ended = new Map<Stage, Result[]>(stages.map((stage) => [stage, []]));
  const tasks = all.map((piece) => ({
    isAlone: piece.isAlone,
    run: async () => {
      const isReady = !piece.stage.needsImage || (await preparing) === true;
      return { stage: piece.stage, result: isReady ? await runPiece(piece) : undefined };
    },
  }));
  for await (const { stage, result } of inLanes(tasks, lanes, interrupted.signal)) {
    const ofStage = ended.get(stage) ?? [];
    if (result !== undefined) {
      ofStage.push(result);
      results.push(result);
      // A file that runs a machine takes long enough to be worth a line.
      if (!stage.fast) print(`  ${result.name}: ${counts([result])}, ${seconds(result.elapsedMs)}`);
      if (result.report !== '') print(`\n${result.report}\n`);
    }
    const stillToCome = (left.get(stage) ?? 0) - 1;
    left.set(stage, stillToCome);
    if (stillToCome === 0) stageEnded(stage, ofStage);
  }
  for (const [stage, ofStage] of ended) {
    if ((left.get(stage) ?? 0) > 0 && ofStage.length > 0) stageEnded(stage, ofStage);
  }
}

function stageEnded({ name }: Stage, ofStage: readonly Result[]): void {
  if (ofStage.length === 0) {
    print(`${name}: not run, because the image and runtimes could not be prepared`);
    return;
  }
  const elapsedMs = ofStage.reduce((sum, result) => sum + result.elapsedMs, 0);
  stageTimes.push({ name, elapsedMs });
  print(`${name}: ${counts(ofStage)}, ${seconds(elapsedMs)}`);
}

function runPiece({ stage: { name, command, timeLimitMs }, file }: Piece): Promise<Result> {
  if (file !== null) return runTestFile(file, timeLimitMs, interrupted.signal);
  return runCommand(name, command ?? [], timeLimitMs, interrupted.signal);
}

/** Resolves with whether it succeeded; a failure is a result like any other. */
async function startPreparing(): Promise<boolean> {
  const startedAtMs = performance.now();
  try {
    await prepare(interrupted.signal, (line) => print(`prepare: ${line}`));
    return true;
  } catch (thrown) {
    const report = `FAILED prepare: ${toTidepoolError(thrown).message}`;
    results.push({
      name: 'prepare',
      passed: 0,
      failed: 1,
      skipped: 0,
      report,
      elapsedMs: performance.now() - startedAtMs,
    });
    print(report);
    return false;
  } finally {
    print(`prepare: ${seconds(performance.now() - startedAtMs)}`);
  }
}

function printSummary(): void {
  const failed = results.filter((result) => result.failed > 0).map(({ name }) => name);
  if (stageTimes.length > 1) print(`\n${timeReport()}`);
  if (failed.length > 0) print(`\nfailed: ${failed.join(', ')}`);
  print(`\n${counts(results, true)}`);
}

/** Where the time went: stages that took at least a second, each with its files one after the other, and the slowest files. */
function timeReport(): string {
  const longestFirst = <T extends { readonly elapsedMs: number }>(all: readonly T[]) =>
    all.toSorted((a, b) => b.elapsedMs - a.elapsedMs);
  const row = ({ name, elapsedMs }: { readonly name: string; readonly elapsedMs: number }) =>
    `  ${seconds(elapsedMs).padStart(8)}  ${name}`;
  const stages = longestFirst(stageTimes.filter(({ elapsedMs }) => elapsedMs >= 1_000));
  const files = longestFirst(results.filter(({ name }) => name.includes('/'))).slice(0, slowestShown);
  const total = `all took ${seconds(performance.now() - startedAtMs)}; files of a stage, one after the other:`;
  return [total, ...stages.map(row), 'slowest files:', ...files.map(row)].join('\n');
}

function counts(of: readonly Result[], all = false): string {
  const parts = (['passed', 'failed', 'skipped'] as const).map((kind) => [total(kind, of), kind] as const);
  return parts
    .filter(([count, kind]) => all || count > 0 || kind === 'passed')
    .map((part) => part.join(' '))
    .join(', ');
}

function total(kind: 'passed' | 'failed' | 'skipped', of: readonly Result[] = results): number {
  return of.reduce((sum, result) => sum + result[kind], 0);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function readOptions(): { filters: string[]; fast: boolean; list: boolean } | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        only: { type: 'string', multiple: true, default: [] },
        fast: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
      },
    });
    const filters = [...values.only, ...positionals].flatMap((filter) => filter.split(','));
    return { filters, fast: values.fast, list: values.list };
  } catch (thrown) {
    print(`${toTidepoolError(thrown).message}\n${usage}`);
    return undefined;
  }
}
