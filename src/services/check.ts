import { TidepoolError } from '../domain/errors.ts';
import type { PoolSettings } from '../domain/pool.ts';
import type { RevisionSpec, ServiceProtocol } from '../domain/service.ts';
import { pathProblem } from '../protocol/file-stream.ts';
import { maxServiceFiles } from '../protocol/services.ts';

/** The ranges of what may be asked for, both ends included. */
export const serviceRanges = {
  processes: { min: 1, max: 64 },
  requestTimeoutMs: { min: 100, max: 600_000 },
  maxBodyBytes: { min: 1, max: 64 * 1024 ** 2 },
} as const;

const maxVariables = 100;
const maxVariableBytes = 32 * 1024;
const maxArguments = 100;
const maxArgumentBytes = 4 * 1024;

/** Errors: `invalid`, with what is wrong and what would be right. */
export function checkName(name: string): void {
  if (/^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/.test(name)) return;
  throw new TidepoolError(
    'invalid',
    `${JSON.stringify(name.slice(0, 60))} cannot be the name of a service: at most 30 lower-case letters, digits and dashes, beginning with a letter`,
  );
}

/** What clients connect to. Clients of udp balance themselves, so there is no such port. Errors: `invalid`. */
export function checkPort(port: number | undefined, protocol: ServiceProtocol): void {
  if (port === undefined) return;
  if (protocol === 'udp')
    throw new TidepoolError(
      'invalid',
      'a udp service has no port of its own: clients follow its endpoints and send to the VMs',
    );
  if (!(Number.isInteger(port) && port >= 1 && port <= 65_535))
    throw new TidepoolError('invalid', `${port} is not a port (1 to 65535)`);
}

/** Errors: `invalid`. */
export function checkSettings(settings: PoolSettings, maxVms: number): void {
  const { min, max, warm } = settings;
  for (const [name, value] of Object.entries({ min, max, warm })) {
    if (!(Number.isInteger(value) && value >= (name === 'max' ? 1 : 0) && value <= maxVms))
      throw new TidepoolError('invalid', `${name} is ${value}; a service may have ${maxVms} VMs`, {
        details: { name },
      });
  }
  if (min > max) throw new TidepoolError('invalid', `min is ${min}, more than max, which is ${max}`);
}

/** Everything about a revision that needs no look at what there is. Errors: `invalid`. */
export function checkSpec(spec: RevisionSpec): void {
  if (spec.processes !== null) checkRange('processes', spec.processes);
  checkRange('requestTimeoutMs', spec.requestTimeoutMs);
  checkRange('maxBodyBytes', spec.maxBodyBytes);
  checkFiles(spec);
  checkEnvironment(spec.environment);
}

function checkRange(name: keyof typeof serviceRanges, value: number): void {
  const { min, max } = serviceRanges[name];
  // Written so that NaN fails too.
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new TidepoolError('invalid', `${name} is ${value}; it must be a whole number from ${min} to ${max}`, {
    details: { name },
  });
}

function checkFiles({ entry, files }: RevisionSpec): void {
  if (files.length > maxServiceFiles)
    throw new TidepoolError('invalid', `${files.length} files were sent; at most ${maxServiceFiles} are allowed`);
  for (const [index, { name }] of files.entries()) {
    const problem = name.includes('/') ? 'it has a slash' : pathProblem(name);
    if (problem !== undefined) throw new TidepoolError('invalid', `a file's name cannot be used: ${problem}`);
    if (files.findIndex((other) => other.name === name) !== index)
      throw new TidepoolError('invalid', `two files are named ${JSON.stringify(name)}`);
  }
  if (entry.kind === 'handler') {
    if (!files.some((file) => file.name === entry.file))
      throw new TidepoolError('invalid', `the file of the handler, ${JSON.stringify(entry.file)}, was not sent`);
    if (!entry.file.endsWith('.py'))
      throw new TidepoolError('invalid', `${JSON.stringify(entry.file)} is not a Python file (.py)`);
    return;
  }
  const { argv } = entry;
  if (argv.length === 0 || argv[0] === '') throw new TidepoolError('invalid', 'the command is empty');
  if (argv.length > maxArguments || argv.some((one) => !isText(one, maxArgumentBytes)))
    throw new TidepoolError(
      'invalid',
      `a command may have ${maxArguments} arguments of ${maxArgumentBytes} bytes, without NUL`,
    );
}

function checkEnvironment(environment: RevisionSpec['environment']): void {
  const entries = Object.entries(environment);
  if (entries.length > maxVariables)
    throw new TidepoolError('invalid', `${entries.length} environment variables; at most ${maxVariables} are allowed`);
  for (const [name, value] of entries) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name))
      throw new TidepoolError('invalid', `${JSON.stringify(name)} cannot be the name of an environment variable`);
    if (name === 'PORT' || name.startsWith('TIDEPOOL_'))
      throw new TidepoolError('invalid', `the environment variable ${name} is set by Tidepool`);
    if (!isText(value, maxVariableBytes))
      throw new TidepoolError('invalid', `${name} may have ${maxVariableBytes} bytes, without NUL`);
  }
}

function isText(text: string, maxBytes: number): boolean {
  return Buffer.byteLength(text) <= maxBytes && !text.includes('\0');
}
