import { TidepoolError } from '../../domain/errors.ts';
import { type ServiceSpec, servicePorts } from '../../protocol/agent-service.ts';
import { pathProblem } from '../../protocol/file-stream.ts';
import { environmentOf, isArgument, isId, isRuntimeName, objectOf, parseObject } from '../spec-fields.ts';

const maxProcesses = 256;

/** Reads the first line of a PUT. Ranges are the control plane's; here they must make sense. Error: `invalid`. */
export function parseServiceSpec(line: string): ServiceSpec {
  const spec = parseObject(line, 'the service');
  const { id, service, protocol, port, runtime, entry, environment, processes } = spec;
  if (!isId(id)) throw invalid('its id is not letters, digits and dashes');
  if (typeof service !== 'string' || !id.startsWith(`${service}-`)) throw invalid('its id is not of its service');
  if (protocol !== 'http' && protocol !== 'tcp' && protocol !== 'udp') throw invalid('its protocol is none');
  const known = servicePorts.find((one) => one === port);
  if (known === undefined) throw invalid(`its port is none of ${servicePorts.join(', ')}`);
  if (!isRuntimeName(runtime)) throw invalid('its runtime is no name');
  if (processes !== null && !isCount(processes, maxProcesses)) throw invalid('its processes are no number from 1');
  return {
    id,
    service,
    protocol,
    port: known,
    runtime,
    entry: parseEntry(entry),
    environment: environmentOf(environment, 'the service'),
    processes,
    requestTimeoutMs: count(spec, 'requestTimeoutMs'),
    maxBodyBytes: count(spec, 'maxBodyBytes'),
  };
}

function parseEntry(value: unknown): ServiceSpec['entry'] {
  const { kind, file, argv } = objectOf(value, 'the entry of the service');
  if (kind === 'handler') {
    if (typeof file !== 'string' || pathProblem(file) !== undefined) throw invalid('its handler is no file');
    return { kind, file };
  }
  if (kind !== 'command') throw invalid('its entry is neither a handler nor a command');
  if (!Array.isArray(argv) || argv.length === 0 || !argv.every(isArgument))
    throw invalid('its command is no list of texts without NUL');
  return { kind, argv };
}

function count(spec: Record<string, unknown>, name: 'requestTimeoutMs' | 'maxBodyBytes'): number {
  const value = spec[name];
  if (!isCount(value, Number.MAX_SAFE_INTEGER)) throw invalid(`its ${name} is no whole number from 1`);
  return value;
}

function isCount(value: unknown, max: number): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= max;
}

function invalid(problem: string): TidepoolError {
  return new TidepoolError('invalid', `the service cannot be started: ${problem}`);
}
