import { TidepoolError } from '../domain/errors.ts';

/** A recorded load: requests in each step of time. */
export interface Trace {
  readonly startMs: number;
  /** A whole number of seconds, the same for all steps. */
  readonly stepMs: number;
  /** Requests that came in each step. */
  readonly requests: readonly number[];
}

const mostSteps = 1_000_000;
const mostSeconds = 60 * 86_400;
const longestStepMs = 3_600_000;

/**
 * Reads a trace in CSV: a heading, then `time,requests` a line; times in ISO 8601 (UTC unless they tell) or in seconds.
 * The step is read off the times. Errors: `invalid` with the line and the reason.
 */
export function readTrace(text: string, name: string): Trace {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  while (lines.length > 0 && lines.at(-1)?.trim() === '') lines.pop();
  const fail = (line: number, reason: string) => new TidepoolError('invalid', `${name}, line ${line}: ${reason}`);
  if (lines.length === 0) throw fail(1, 'the trace is empty; a heading and lines of time,requests are expected');
  if (isRow(lines[0] ?? '')) throw fail(1, 'a heading is expected, like time,requests');
  if (lines.length < 3) throw fail(lines.length, 'at least two lines of time,requests are needed to know the step');
  if (lines.length - 1 > mostSteps) throw fail(mostSteps + 2, `more than ${mostSteps} steps`);
  const requests: number[] = [];
  let [startMs, stepMs, lastMs] = [0, 0, 0];
  for (const [i, line] of lines.slice(1).entries()) {
    const number = i + 2;
    const row = readRow(line, (reason) => fail(number, reason));
    if (i === 0) startMs = row.atMs;
    if (i === 1) stepMs = checkStep(row.atMs - startMs, (reason) => fail(number, reason));
    if (i > 1 && row.atMs - lastMs !== stepMs) throw fail(number, uneven(row.atMs - lastMs, stepMs));
    lastMs = row.atMs;
    requests.push(row.requests);
  }
  if ((requests.length * stepMs) / 1_000 > mostSeconds) throw fail(lines.length, 'longer than 60 days');
  return { startMs, stepMs, requests };
}

type Fail = (reason: string) => TidepoolError;

function readRow(line: string, fail: Fail): { atMs: number; requests: number } {
  const fields = line.split(',').map((field) => field.trim());
  if (fields.length !== 2) throw fail(`two fields are expected, time,requests; here are ${fields.length}`);
  const [time = '', count = ''] = fields;
  const atMs = parseTime(time);
  if (atMs === undefined) throw fail(`${JSON.stringify(time)} is not a time in ISO 8601 or in seconds`);
  const requests = parseNumber(count);
  if (requests === undefined) throw fail(`${JSON.stringify(count)} is not a number of requests`);
  if (requests > 1e12) throw fail(`${count} requests are too many to be true`);
  return { atMs, requests };
}

function isRow(line: string): boolean {
  const [time = '', count = ''] = line.split(',').map((field) => field.trim());
  return parseTime(time) !== undefined && parseNumber(count) !== undefined;
}

function parseNumber(text: string): number | undefined {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

function parseTime(text: string): number | undefined {
  const seconds = parseNumber(text);
  if (seconds !== undefined) return Math.round(seconds * 1_000);
  const iso = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?$/i.exec(text);
  if (iso === null) return undefined;
  const atMs = Date.parse(`${iso[1]}T${iso[2]}${iso[3]?.toUpperCase() ?? 'Z'}`);
  return Number.isNaN(atMs) ? undefined : atMs;
}

function checkStep(stepMs: number, fail: Fail): number {
  if (stepMs <= 0) throw fail('its time is not after that of the line before');
  if (stepMs % 1_000 !== 0) throw fail(`a step of ${stepMs} ms; whole seconds are expected`);
  if (stepMs > longestStepMs) throw fail(`a step of ${stepMs / 1_000} s; at most an hour is expected`);
  return stepMs;
}

function uneven(foundMs: number, stepMs: number): string {
  if (foundMs <= 0) return 'its time is not after that of the line before';
  return `its time is ${foundMs / 1_000} s after that of the line before; the step of this trace is ${stepMs / 1_000} s`;
}
