import { spawn } from 'node:child_process';
import type { Result } from './run-file.ts';

const keptOutputLength = 1024 * 1024;

/** Runs a script of an npm package with the pinned Node. It counts as one check. */
export async function runCommand(
  name: string,
  command: readonly string[],
  timeLimitMs: number,
  signal: AbortSignal,
): Promise<Result> {
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeLimitMs, signal });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-keptOutputLength);
    });
  }
  const problem = await new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, by) => resolve(code === 0 ? '' : by === null ? `exit code ${code}` : `ended by ${by}`));
  });
  const elapsedMs = performance.now() - startedAtMs;
  if (problem === '') return { name, passed: 1, failed: 0, skipped: 0, report: '', elapsedMs };
  const report = `FAILED ${name}: ${problem}\n${output.trimEnd()}`;
  return { name, passed: 0, failed: 1, skipped: 0, report, elapsedMs };
}
