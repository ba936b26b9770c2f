import { TidepoolError } from '../domain/errors.ts';
import type { AttemptLimits, AttemptSpec } from '../protocol/agent.ts';
import { pathProblem } from '../protocol/file-stream.ts';

const limitNames = ['cpus', 'memoryBytes', 'processes', 'diskBytes', 'outputBytes', 'timeoutMs'] as const;

/** Whether a text can be an attempt's id (and so a folder's name). */
export function isAttemptId(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/.test(text);
}

/** Reads the first line of a start request. The ranges of limits are the control plane's; here they must make sense. */
export function parseAttemptSpec(line: string): AttemptSpec {
  const spec = objectOf(parseJson(line), 'the attempt');
  const { id, runtime, entrypoint, args, environment, limits, network } = spec;
  if (typeof id !== 'string' || !isAttemptId(id)) throw invalid('its id is not letters, digits and dashes');
  if (typeof runtime !== 'string' || !/^[a-z0-9][a-z0-9-]{0,15}$/.test(runtime))
    throw invalid('its runtime is no name');
  if (typeof entrypoint !== 'string') throw invalid('its entrypoint is no text');
  const problem = entrypoint.startsWith('-') ? 'it begins with a dash' : pathProblem(entrypoint);
  if (problem !== undefined) throw invalid(`its entrypoint cannot be run: ${problem}`);
  if (!Array.isArray(args) || !args.every(isArgument)) throw invalid('its args are not all texts without NUL');
  if (network !== false) throw invalid('this VM gives jobs no network');
  return {
    id,
    runtime,
    entrypoint,
    args,
    environment: parseEnvironment(environment),
    limits: parseLimits(limits),
    network,
  };
}

function parseEnvironment(value: unknown): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, text] of Object.entries(objectOf(value, 'its environment'))) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw invalid(`${JSON.stringify(name)} is no name for a variable`);
    if (!isArgument(text)) throw invalid(`the variable ${name} is no text without NUL`);
    environment[name] = text;
  }
  return environment;
}

function parseLimits(value: unknown): AttemptLimits {
  const given = objectOf(value, 'its limits');
  const limits = { cpus: 0, memoryBytes: 0, processes: 0, diskBytes: 0, outputBytes: 0, timeoutMs: 0 };
  for (const name of limitNames) {
    const limit = given[name];
    if (typeof limit !== 'number' || !Number.isFinite(limit) || limit <= 0)
      throw invalid(`its limit ${name} is not above 0`);
    limits[name] = name === 'cpus' ? limit : Math.floor(limit);
  }
  return limits;
}

function isArgument(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TidepoolError('invalid', 'the attempt is not JSON', { cause });
  }
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TidepoolError('invalid', `${what} is no object`);
  return value as Record<string, unknown>;
}

function invalid(problem: string): TidepoolError {
  return new TidepoolError('invalid', `the attempt cannot be started: ${problem}`);
}
