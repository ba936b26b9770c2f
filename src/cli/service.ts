import type { ServiceLogView, ServiceView } from '../protocol/services.ts';
import { harmless } from './harmless.ts';
import type { ServiceClient } from './service-client.ts';
import { formatTable } from './table.ts';
import { formatDuration, wholeNumber } from './units.ts';

interface Format {
  readonly json?: boolean;
}

/** `tidepool service list`. */
export async function serviceList(client: ServiceClient, format: Format): Promise<string> {
  const services = await client.list();
  if (format.json) return JSON.stringify(services, null, 2);
  if (services.length === 0) return 'no services';
  const rows = services.map((service) => [
    ...[service.name, service.protocol, placeOf(service), service.state, String(service.current ?? '-')],
    ...[service.stats.endpoints, service.stats.inFlight, service.stats.waiting].map(String),
    harmless(service.reason),
  ]);
  return formatTable([
    ['NAME', 'PROTOCOL', 'ADDRESS', 'STATE', 'REVISION', 'VMS', 'IN FLIGHT', 'WAITING', 'WHY'],
    ...rows,
  ]);
}

/** `tidepool service show`. */
export async function serviceShow(client: ServiceClient, name: string, format: Format): Promise<string> {
  return formatService(await client.show(name), format);
}

/** `tidepool service stop`, `start` and `rollback`. */
export async function serviceChange(
  client: ServiceClient,
  name: string,
  verb: 'stop' | 'start' | 'rollback',
  format: Format,
): Promise<string> {
  return formatChange(await client.change(name, verb), format);
}

/** `tidepool service delete`. */
export async function serviceDelete(client: ServiceClient, name: string, format: Format): Promise<string> {
  return formatChange(await client.delete(name), format);
}

export interface LogOptions extends Format {
  readonly vm?: string;
  readonly tail: string;
}

/** `tidepool service logs`. */
export async function serviceLogs(client: ServiceClient, name: string, options: LogOptions): Promise<string> {
  const { vm, json } = options;
  const tail = String(wholeNumber('--tail', options.tail));
  const lines = await client.logs(name, { tail, ...(vm === undefined ? {} : { vm }) });
  if (json) return JSON.stringify(lines, null, 2);
  return lines.map(formatLine).join('\n');
}

function formatLine({ vm, revision, atMs, stream, text }: ServiceLogView['lines'][number]): string {
  const time = new Date(atMs).toISOString().slice(11, 23);
  const mark = { stdout: ' ', stderr: '!', notice: '*' }[stream];
  return `${time} ${vm} r${revision} ${mark} ${harmless(text)}`;
}

function formatChange(service: ServiceView, format: Format): string {
  return format.json ? JSON.stringify(service, null, 2) : `${service.name}: ${harmless(service.reason)}`;
}

function formatService(service: ServiceView, format: Format): string {
  if (format.json) return JSON.stringify(service, null, 2);
  const { settings, stats, revisions, lastFailure } = service;
  const rows = [
    ['service', service.name],
    ['state', `${service.state}: ${harmless(service.reason)}`],
    ['address', placeOf(service)],
    ['protocol', service.protocol],
    ['owner', service.owner],
    ['VMs', `${settings.min} to ${settings.max} of flavor ${service.flavor}, ${settings.warm} warm`],
    ['autoscaler', settings.policies.length === 0 ? 'none (by hand)' : settings.policies.join(', ')],
    ['requests', `${stats.requests}, ${stats.failed} failed, ${stats.inFlight} in flight, ${stats.waiting} waiting`],
    ['mean time', stats.meanMs === null ? '-' : formatDuration(stats.meanMs)],
  ];
  const heading = ['REVISION', 'STATE', 'RUNTIME', 'RUNS', 'WHY'];
  const table = revisions.map(({ number, state, runtime, entry, message }) => [
    ...[String(number), state, runtime],
    entry.kind === 'handler' ? entry.file : harmless(entry.argv.join(' ')),
    harmless(message),
  ]);
  const [newest] = revisions;
  const trouble = newest?.state === 'failed' ? { ...newest, revision: newest.number, vm: '' } : lastFailure;
  return [formatTable(rows), formatTable([heading, ...table]), trouble === null ? '' : formatTrouble(trouble)]
    .filter((part) => part !== '')
    .join('\n\n');
}

function formatTrouble(trouble: NonNullable<ServiceView['lastFailure']>): string {
  const { vm, revision, message, traceback } = trouble;
  const where = vm === '' ? '' : ` on ${vm}`;
  return `last failure: revision ${revision}${where}: ${harmless(message)}\n${harmless(traceback).trimEnd()}`.trimEnd();
}

function placeOf({ address, name, protocol }: ServiceView): string {
  if (address === null) return `tidepool service endpoints ${name}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${protocol === 'http' ? 'http://' : ''}${host}:${address.port}`;
}
