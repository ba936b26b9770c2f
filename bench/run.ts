import { globSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ensureSystem } from '../src/cmd/system.ts';
import { errorCodes, toTidepoolError } from '../src/domain/errors.ts';
import { requirementsOf } from '../src/setup/requirements.ts';
import { type Bench, type BenchContext, jsonLine, judge, textLine } from './harness.ts';

/** `npm run bench [NAME]... [-- --json] [--runs N]`: exit code 1 when a ratio misses its limit or a benchmark fails. */
const usage = `usage: npm run bench [NAME]... -- [--json] [--runs N]
  NAME     of a benchmark; all of them when there is none
  --json   one line of JSON a result
  --runs   measurements of each side (default 7)`;

const folder = new URL('.', import.meta.url);

process.exitCode = await main();

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) return errorCodes.invalid.exitCode;
  const benches = await load();
  const known = benches.map(({ name }) => name);
  const unknown = options.names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    tell(`there is no benchmark ${unknown.join(', ')}; there are: ${known.join(', ')}\n${usage}`);
    return errorCodes.invalid.exitCode;
  }
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort());
  const context = { runs: options.runs, signal: interrupted.signal, log: tell };
  let ok = true;
  try {
    await ensureSystem(requirementsOf('server', 'bench'), interrupted.signal);
    for (const bench of benches) {
      if (options.names.length > 0 && !options.names.includes(bench.name)) continue;
      ok = (await runBench(bench, context, options.json)) && ok;
    }
  } catch (thrown) {
    const error = toTidepoolError(thrown);
    tell(error.message);
    return interrupted.signal.aborted ? errorCodes.aborted.exitCode : errorCodes[error.code].exitCode;
  }
  return ok ? 0 : 1;
}

/** Whether all its ratios are within their limits. One that fails is told of, and the others still run. */
async function runBench(bench: Bench, context: BenchContext, json: boolean): Promise<boolean> {
  tell(`${bench.name}: ${bench.question}`);
  try {
    const result = await bench.run(context);
    const verdicts = [result].flat().map((series) => judge(bench, series));
    for (const verdict of verdicts) {
      process.stdout.write(`${json ? jsonLine(verdict) : textLine(verdict)}\n`);
    }
    return verdicts.every(({ ok }) => ok);
  } catch (thrown) {
    if (context.signal.aborted) throw thrown;
    const error = toTidepoolError(thrown);
    tell(`${bench.name}: failed: ${error.code === 'internal' ? (error.stack ?? error.message) : error.message}`);
    return false;
  }
}

async function load(): Promise<Bench[]> {
  const files = globSync('*.bench.ts', { cwd: folder }).sort();
  const modules: { default: Bench }[] = await Promise.all(files.map((file) => import(new URL(file, folder).href)));
  return modules.map((module) => module.default);
}

/** Beside the results, which alone go to standard output. */
function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function readOptions(): { names: string[]; json: boolean; runs: number } | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, runs: { type: 'string', default: '7' } },
    });
    const runs = Number(values.runs);
    if (!Number.isInteger(runs) || runs < 1 || runs > 10_000) throw new RangeError(`--runs ${values.runs} is no count`);
    return { names: positionals, json: values.json, runs };
  } catch (thrown) {
    tell(`${toTidepoolError(thrown).message}\n${usage}`);
    return undefined;
  }
}
