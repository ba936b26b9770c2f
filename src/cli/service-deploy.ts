import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import {
  type DeploymentBody,
  maxServiceFileBytes,
  type RevisionView,
  type ServiceView,
  serviceProtocolSchema,
} from '../protocol/services.ts';
import type { OutputSinks } from './follow.ts';
import { harmless } from './harmless.ts';
import type { ServiceClient } from './service-client.ts';
import { parseDuration, parseEnvironment, parseSize, wholeNumber } from './units.ts';

export interface DeployOptions {
  readonly command?: boolean;
  readonly file?: readonly string[];
  readonly name?: string;
  readonly runtime?: string;
  readonly protocol?: string;
  readonly port?: string;
  readonly min?: string;
  readonly max?: string;
  readonly warm?: string;
  readonly policy?: readonly string[];
  readonly flavor?: string;
  readonly env?: readonly string[];
  readonly processes?: string;
  readonly timeout?: string;
  readonly maxBody?: string;
  /** False: tells what was deployed, and not what becomes of it. */
  readonly wait: boolean;
  readonly json?: boolean;
}

/** What the command needs from the process that it runs in. */
export interface DeployTerminal extends OutputSinks {
  sleep(ms: number): Promise<void>;
}

const lookEveryMs = 500;
/** Building a runtime and booting the first VM are in it. */
const waitLimitMs = 30 * 60_000;

/**
 * `tidepool service deploy`: gives the exit code; 1 when the revision failed.
 * @param args the file of the handler, or with `--command` the command
 */
export async function serviceDeploy(
  client: ServiceClient,
  terminal: DeployTerminal,
  args: readonly string[],
  options: DeployOptions,
): Promise<number> {
  const { spec, files } = deploymentOf(args, options);
  for (const file of files) await checkFile(file);
  const before = await addressOf(client, spec.name);
  const deployed = await client.deploy(spec, files);
  const after = deployed.service.address;
  if (before !== null && after !== null && before.port !== after.port)
    terminal.stderr.write(
      `${spec.name}: its address moves from port ${before.port} to port ${after.port}; clients must follow\n`,
    );
  const number = deployed.revision;
  const service = options.wait
    ? await settled(client, terminal, spec.name, number, options.json === true)
    : deployed.service;
  const revision = service.revisions.find((one) => one.number === number);
  if (options.json) terminal.stdout.write(`${JSON.stringify({ service, revision: number }, null, 2)}\n`);
  else
    terminal.stdout.write(
      options.wait ? outcome(service, revision) : `${service.name}: revision ${number} is deployed\n`,
    );
  if (revision !== undefined && revision.state !== 'failed') return 0;
  if (!options.json) terminal.stderr.write(failure(service, revision, number));
  return 1;
}

/** Where a service answers now; null when there is none of this name. */
async function addressOf(client: ServiceClient, name: string): Promise<ServiceView['address']> {
  try {
    return (await client.show(name)).address;
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error;
    return null;
  }
}

/** The deployment that arguments and options mean. Pure. Errors: `invalid`. */
export function deploymentOf(
  args: readonly string[],
  options: DeployOptions,
): { spec: DeploymentBody; files: readonly string[] } {
  const { files, entry } = options.command ? commandOf(args, options) : handlerOf(args, options);
  const { runtime, flavor, policy = [] } = options;
  const whole = (name: 'port' | 'processes' | 'min' | 'max' | 'warm') => {
    const text = options[name];
    return text === undefined ? {} : { [name]: wholeNumber(`--${name}`, text) };
  };
  const settings = {
    ...whole('min'),
    ...whole('max'),
    ...whole('warm'),
    ...(policy.length === 0 ? {} : { policies: [...policy] }),
  };
  const spec: DeploymentBody = {
    name: options.name ?? nameOf(files[0]),
    entry,
    ...(runtime === undefined ? {} : { runtime }),
    ...(flavor === undefined ? {} : { flavor }),
    ...(options.protocol === undefined ? {} : { protocol: parseProtocol(options.protocol) }),
    ...whole('port'),
    settings,
    environment: parseEnvironment(options.env ?? []),
    ...whole('processes'),
    ...(options.timeout === undefined ? {} : { requestTimeoutMs: parseDuration(options.timeout) }),
    ...(options.maxBody === undefined ? {} : { maxBodyBytes: parseSize(options.maxBody) }),
  };
  return { spec, files };
}

type Entry = Pick<Required<DeploymentBody>, 'entry'> & { readonly files: readonly string[] };

function handlerOf(args: readonly string[], { file = [] }: DeployOptions): Entry {
  const [handler, ...rest] = args;
  if (handler === undefined)
    throw new TidepoolError('invalid', 'name the Python file with the handler, or give --command -- and a command');
  if (rest.length > 0)
    throw new TidepoolError('invalid', `one file has the handler, not also ${rest.join(' ')}; further files: --file`);
  return { entry: { kind: 'handler', file: basename(handler) }, files: [handler, ...file] };
}

function commandOf(args: readonly string[], { file = [], name }: DeployOptions): Entry {
  if (args.length === 0) throw new TidepoolError('invalid', 'the command is missing: --command -- PROGRAM ARGUMENTS');
  if (name === undefined) throw new TidepoolError('invalid', 'a command needs a name for its service: --name');
  return { entry: { kind: 'command', argv: [...args] }, files: file };
}

function nameOf(file: string | undefined): string {
  const name = basename(file ?? '', '.py')
    .toLowerCase()
    .replaceAll('_', '-');
  if (/^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/.test(name)) return name;
  throw new TidepoolError('invalid', `${file} is no name for a service; give one by --name`);
}

function parseProtocol(text: string): 'http' | 'tcp' | 'udp' {
  const parsed = serviceProtocolSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new TidepoolError('invalid', `--protocol ${text} is none of ${serviceProtocolSchema.options.join(', ')}`);
}

async function checkFile(file: string): Promise<void> {
  const facts = await stat(file).catch((cause: unknown) => {
    throw new TidepoolError('invalid', `the file ${file} does not exist or cannot be read`, { cause });
  });
  if (!facts.isFile()) throw new TidepoolError('invalid', `${file} is not a file`);
  if (facts.size > maxServiceFileBytes)
    throw new TidepoolError('too_large', `${file} has ${facts.size} bytes; ${maxServiceFileBytes} are allowed`);
}

/** The service when the revision serves or has failed, or when nothing will come of waiting; tells of its progress. */
async function settled(
  client: ServiceClient,
  terminal: DeployTerminal,
  name: string,
  number: number,
  quiet: boolean,
): Promise<ServiceView> {
  let told = '';
  for (let waitedMs = 0; waitedMs < waitLimitMs; waitedMs += lookEveryMs) {
    const service = await client.show(name);
    const { revisions, reason, state, vms } = service;
    const isRolling = revisions.find((one) => one.number === number)?.state === 'rolling';
    const isWaitedFor = isRolling && state !== 'stopped' && !(vms.all === 0 && vms.desired === 0);
    if (!isWaitedFor) return service;
    if (!quiet && reason !== told) terminal.stderr.write(`${harmless(reason)}\n`);
    told = reason;
    await terminal.sleep(lookEveryMs);
  }
  throw new TidepoolError('timeout', `${name}: after ${waitLimitMs / 60_000} minutes still: ${told}`);
}

function outcome(service: ServiceView, revision: RevisionView | undefined): string {
  const { name, protocol, address, reason } = service;
  if (revision?.state === 'failed' || revision === undefined) return '';
  if (revision.state === 'rolling') return `${name}: ${harmless(reason)}\n`;
  if (address === null)
    return `${name}: revision ${revision.number} serves by ${protocol}\n  tidepool service endpoints ${name} --watch\n`;
  const place = `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
  if (protocol !== 'http') return `${name}: revision ${revision.number} serves by ${protocol} at ${place}\n`;
  return `${name}: revision ${revision.number} serves at http://${place}\n  curl http://${place}/\n`;
}

function failure({ name, reason }: ServiceView, revision: RevisionView | undefined, number: number): string {
  if (revision === undefined) return `tidepool: ${name}: revision ${number} is gone\n`;
  const traceback = revision.traceback === '' ? '' : `${harmless(revision.traceback).trimEnd()}\n`;
  // Without another revision the service's reason is this same message.
  const now = reason.includes(revision.message) ? 'nothing serves' : reason;
  return `${traceback}tidepool: ${name}: revision ${number} failed: ${harmless(revision.message)}; ${harmless(now)}\n`;
}
