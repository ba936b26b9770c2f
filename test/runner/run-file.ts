import { resolve } from 'node:path';
import { run } from 'node:test';
import { Findings } from './findings.ts';

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
/** A file whose hook failed often keeps something open. It is stopped when nothing more ends for this time. */
const usualHookGraceMs = 30_000;

/** Runs one test file in a process of its own; one that is not done after `timeLimitMs` is stopped and has failed. */
export async function runTestFile(
  file: string,
  timeLimitMs: number,
  signal: AbortSignal,
  hookGraceMs = usualHookGraceMs,
): Promise<Result> {
  const startedAtMs = performance.now();
  const limit = AbortSignal.timeout(timeLimitMs);
  const hookFailed = new AbortController();
  let grace: NodeJS.Timeout | undefined;
  const path = resolve(file);
  const findings = new Findings(file);
  let output = '';
  const stops = AbortSignal.any([limit, hookFailed.signal, signal]);
  for await (const event of run({ files: [path], isolation: 'process', signal: stops })) {
    if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      output = (output + event.data.message).slice(-keptOutputLength);
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    if (event.data.name === path && event.type === 'test:fail' && stops.aborted) {
      if (limit.aborted) findings.fail('stopped', `it was not done after ${timeLimitMs / 1000} s`);
      else if (hookFailed.signal.aborted)
        findings.fail('stopped', `a hook failed, and the file did not end within ${hookGraceMs / 1000} s after that`);
      else findings.fail('stopped', 'the run was interrupted');
      continue;
    }
    findings.add(event, path);
    if (!findings.hookFailed) continue;
    clearTimeout(grace);
    grace = setTimeout(() => hookFailed.abort(), hookGraceMs);
  }
  clearTimeout(grace);
  findings.end();
  const { passed, failed, skipped, failures } = findings;
  const printed = failed > 0 && output !== '' ? [`What ${file} printed:\n${output.trimEnd()}`] : [];
  const report = [...failures, ...printed].join('\n\n');
  return { name: file, passed, failed, skipped, report, elapsedMs: performance.now() - startedAtMs };
}
