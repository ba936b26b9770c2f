import { TidepoolError } from '../domain/errors.ts';
import type { AttemptImage, AttemptLimits, AttemptSpec } from '../protocol/agent.ts';
import { pathProblem } from '../protocol/file-stream.ts';
import { uidsPerContainer } from './container-spec.ts';
import { environmentOf, isArgument, isId, isRuntimeName, objectOf, parseObject } from './spec-fields.ts';

const limitNames = ['cpus', 'memoryBytes', 'processes', 'diskBytes', 'outputBytes', 'timeoutMs'] as const;

/** Reads the first line of a start request. The ranges of limits are the control plane's; here they must make sense. */
export function parseAttemptSpec(line: string): AttemptSpec {
  const spec = parseObject(line, 'the attempt');
  const { id, runtime, entrypoint, args, environment, limits, network } = spec;
  const image = parseImage(spec.image ?? null);
  if (!isId(id)) throw invalid('its id is not letters, digits and dashes');
  if (!isRuntimeName(runtime)) throw invalid('its runtime is no name');
  if (typeof entrypoint !== 'string') throw invalid('its entrypoint is no text');
  const hasCommand = image !== null && image.command !== null;
  const problem = entrypoint.startsWith('-') ? 'it begins with a dash' : pathProblem(entrypoint);
  if (problem !== undefined && !hasCommand) throw invalid(`its entrypoint cannot be run: ${problem}`);
  if (!Array.isArray(args) || !args.every(isArgument)) throw invalid('its args are not all texts without NUL');
  if (network !== false) throw invalid('this VM gives jobs no network');
  return {
    id,
    runtime,
    entrypoint,
    args,
    environment: environmentOf(environment, 'the attempt'),
    limits: parseLimits(limits),
    network,
    image,
  };
}

/** Folders that the container itself needs as they are. */
const kernelFolders = ['/dev', '/proc', '/sys'];

function parseImage(value: unknown): AttemptImage | null {
  if (value === null) return null;
  const { uid, gid, command, workingFolder } = objectOf(value, 'the image of the attempt');
  if (!isUserId(uid) || !isUserId(gid)) throw invalid('its user or group is no id');
  const isCommand = Array.isArray(command) && command.length > 0 && command.every(isArgument);
  if (command !== null && !isCommand) throw invalid('its command is not a list of texts without NUL');
  if (workingFolder === null) return { uid, gid, command, workingFolder };
  const isPath = typeof workingFolder === 'string' && workingFolder.startsWith('/');
  if (!isPath || pathProblem(workingFolder.slice(1)) !== undefined) throw invalid('its working folder is no path');
  if (kernelFolders.some((folder) => `${workingFolder}/`.startsWith(`${folder}/`)))
    throw invalid(`its working folder cannot be ${workingFolder}`);
  return { uid, gid, command, workingFolder };
}

function isUserId(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < uidsPerContainer - 1;
}

function parseLimits(value: unknown): AttemptLimits {
  const given = objectOf(value, 'the limits of the attempt');
  const limits = { cpus: 0, memoryBytes: 0, processes: 0, diskBytes: 0, outputBytes: 0, timeoutMs: 0 };
  for (const name of limitNames) {
    const limit = given[name];
    if (typeof limit !== 'number' || !Number.isFinite(limit) || limit <= 0)
      throw invalid(`its limit ${name} is not above 0`);
    limits[name] = name === 'cpus' ? limit : Math.floor(limit);
  }
  return limits;
}

function invalid(problem: string): TidepoolError {
  return new TidepoolError('invalid', `the attempt cannot be started: ${problem}`);
}
