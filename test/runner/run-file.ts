import { resolve } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';

/** What came of one test file or command. */
export interface Result {
  /** The file, or the name of the stage. */
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Everything about the failures, for a person: errors, and what the file printed. Empty when nothing failed. */
  readonly report: string;
  readonly elapsedMs: number;
}

/** What a failing file printed is shown up to this length, from its end. */
const keptOutputLength = 1024 * 1024;

/** Runs one test file in a process of its own; one that is not done after `timeLimitMs` is stopped and has failed. */
export async function runTestFile(file: string, timeLimitMs: number, signal: AbortSignal): Promise<Result> {
  const startedAtMs = performance.now();
  const limit = AbortSignal.timeout(timeLimitMs);
  const path = resolve(file);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  let output = '';
  const fail = (name: string, problem: string): void => {
    counts.failed += 1;
    failures.push(`FAILED ${file}: ${name}\n${problem}`);
  };
  for await (const event of run({ files: [path], isolation: 'process', signal: AbortSignal.any([limit, signal]) })) {
    if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      output = (output + event.data.message).slice(-keptOutputLength);
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { name, skip, todo, details, line } = event.data;
    if (details.type === 'suite') continue;
    if (skip !== undefined || todo !== undefined) counts.skipped += 1;
    else if (event.type === 'test:fail') {
      const late = name === path && limit.aborted;
      if (late) fail('stopped', `it was not done after ${timeLimitMs / 1000} s`);
      else fail(name === path ? 'the file itself' : `${name} (line ${line})`, problemOf(event.data.details.error));
    } else if (name === path) fail('no tests', 'the file ran, and has no test in it');
    else counts.passed += 1;
  }
  if (failures.length > 0 && output !== '') failures.push(`What ${file} printed:\n${output.trimEnd()}`);
  return { name: file, ...counts, report: failures.join('\n\n'), elapsedMs: performance.now() - startedAtMs };
}

/** Runs files, at most `concurrency` at once; results come as they end. */
export async function* runTestFiles(
  files: readonly string[],
  options: { readonly concurrency: number; readonly timeLimitMs: number; readonly signal: AbortSignal },
): AsyncGenerator<Result> {
  const waiting = [...files];
  const running = new Map<string, Promise<Result>>();
  while (waiting.length > 0 || running.size > 0) {
    while (running.size < options.concurrency && !options.signal.aborted) {
      const file = waiting.shift();
      if (file === undefined) break;
      running.set(file, runTestFile(file, options.timeLimitMs, options.signal));
    }
    if (running.size === 0) return;
    const result = await Promise.race(running.values());
    running.delete(result.name);
    yield result;
  }
}

/** The error as the test threw it, without the wrapping of node:test. */
function problemOf(error: Error): string {
  return inspect(error.cause ?? error, { depth: 8, maxArrayLength: 200, maxStringLength: 20_000 });
}
