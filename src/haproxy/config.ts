import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { BalancedServer, BalancedService } from '../domain/balancer.ts';
import type { ErrorCode } from '../domain/errors.ts';

/** What is the same for all services. */
export interface ConfigSettings {
  /** The copy of hold.lua that HAProxy can read. */
  readonly holdScript: string;
  readonly threads: number;
  /** How long a request waits for a server that has room, or for the first server. */
  readonly waitMs: number;
  /** Who the workers run as; null: as they are started. */
  readonly account: { readonly user: string; readonly group: string } | null;
}

/** A configuration file. */
export interface Config {
  readonly text: string;
  /** Of everything but the servers: what can only be changed by a reload. HAProxy says it back (`show info`). */
  readonly fingerprint: string;
}

/** What one service's clients can take of the front door, so that the other services keep the rest. */
const maxClientsPerService = 4_000;
/** HAProxy takes half as many clients, and memory for each in advance; without a limit it takes what `ulimit -n` allows. */
const maxFiles = 20_000;
/** What a request's headers, or a body that is waited for, must fit into (tune.bufsize less tune.maxrewrite). */
export const bufferBytes = 15_360;

/** The file for these services, which must have been checked. Pure: the same services make the same text. */
export function haproxyConfig(services: readonly BalancedService[], settings: ConfigSettings): Config {
  const sorted = services.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const withoutServers = render(sorted, settings, '', () => []);
  const fingerprint = createHash('sha256').update(withoutServers).digest('hex').slice(0, 16);
  return { fingerprint, text: render(sorted, settings, fingerprint, serverLines) };
}

/** The name of a service's frontend tells where it listens, so that it can be read back. */
export function frontendName({ name, host, port }: Pick<BalancedService, 'name' | 'host' | 'port'>): string {
  return `${name}:${host}:${port}`;
}

/** The other way round. */
export function placeOfFrontend(name: string): { host: string; port: number } {
  const [, ...rest] = name.split(':');
  return { host: rest.slice(0, -1).join(':'), port: Number(rest.at(-1)) };
}

/** Its address is part of a server's name in HAProxy: one that comes back elsewhere is another server. */
export function serverId({ name, host, port }: Pick<BalancedServer, 'name' | 'host' | 'port'>): string {
  return `${name}:${host}:${port}`;
}

/**
 * The variable of a worker that counts the requests of a service that HAProxy answered with an error of its own. Its
 * statistics do not tell these from errors that it passed on, or that it mended by asking another server.
 */
export function failedVariable(service: string): string {
  return `proc.failed_${service.replaceAll('-', '_')}`;
}

/** The server of a backend that stands for the worker after a reload; the name of no other server looks like this. */
export const successor = 'successor';

/** Where this machine reaches the service itself. */
function ownAddress({ host, port }: BalancedService): { host: string; port: number } {
  const loopback: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  return { host: loopback[host] ?? host, port };
}

/** As HAProxy reads it. */
export function address({ host, port }: Pick<BalancedServer, 'host' | 'port'>): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Options of each server, in the file and at runtime alike. A server that is added at runtime takes nothing from
 * `default-server`, and keeps no idle connections unless it is told to. A refused check is asked again soon; one that gets
 * no answer is given 3 s (`timeout check`), because a VM under full load is slow and not dead. One that refuses a request's
 * connection is down at once, until a check says otherwise: while the others have all that they take, a request that is tried
 * again would be given to it again and again.
 */
export function serverOptions({ maxPerServer }: Pick<BalancedService, 'maxPerServer'>): string {
  return [
    'check inter 1s fastinter 250ms fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down',
    `maxconn ${maxPerServer} pool-max-conn -1 pool-purge-delay 5s`,
  ].join(' ');
}

function render(
  services: readonly BalancedService[],
  settings: ConfigSettings,
  fingerprint: string,
  servers: (service: BalancedService) => readonly string[],
): string {
  const sections = [
    ['# Written by Tidepool, which overwrites what is changed here.'],
    [
      'global',
      ...globalLines(settings, fingerprint),
      ...services.map(({ name }) => `set-var ${failedVariable(name)} int(0)`),
    ],
    ['defaults', ...defaultLines(settings)],
    ...services.flatMap((service) => [
      [`frontend ${frontendName(service)}`, ...frontendLines(service)],
      [`backend ${service.name}`, ...backendLines(service, settings), ...servers(service)],
    ]),
  ];
  return `${sections.map((lines) => lines.join('\n  ')).join('\n\n')}\n`;
}

function globalLines({ holdScript, threads, account }: ConfigSettings, fingerprint: string): string[] {
  return [
    `description tidepool ${fingerprint}`,
    `nbthread ${threads}`,
    `fd-hard-limit ${maxFiles}`,
    // Bounds for workers that a reload left behind with connections that do not end. A deployment or deletion of one service
    // is a reload for all, and must not end the long connections of the others (ADR 37).
    'hard-stop-after 7d',
    'mworker-max-reloads 1000',
    `lua-load '${holdScript}'`,
    'tune.lua.maxmem 256',
    ...(account === null ? [] : [`user ${account.user}`, `group ${account.group}`]),
  ];
}

function defaultLines({ waitMs }: ConfigSettings): string[] {
  return [
    'timeout connect 2s',
    'timeout check 3s',
    `timeout queue ${waitMs}ms`,
    'timeout client 30s',
    'timeout http-request 10s',
    'timeout http-keep-alive 10s',
    'timeout tunnel 1h',
    // A connection that waits for its next request when a reload comes gets that one answered still.
    'option idle-close-on-response',
    'retries 3',
    'option redispatch 1',
    'http-reuse safe',
    ...errorAnswers,
  ];
}

function frontendLines(service: BalancedService): string[] {
  const { name, protocol, host, port, maxBodyBytes, requestTimeoutMs } = service;
  return [
    `mode ${protocol}`,
    `bind ${address({ host, port })}`,
    `maxconn ${maxClientsPerService}`,
    ...(protocol === 'tcp' ? [`timeout client ${requestTimeoutMs}ms`] : bodyRules(maxBodyBytes)),
    `default_backend ${name}`,
  ];
}

/** A body is waited for until it fills the buffer, so that a slow sender holds up no server. */
function bodyRules(maxBytes: number | null): string[] {
  const wait = 'http-request wait-for-body time 10s';
  if (maxBytes === null) return [wait];
  const deny = `http-request deny deny_status 413 if { req.body_size gt ${maxBytes} }`;
  // What is sent in chunks has no length until it is all there, which only a body that fits into the buffer ever is.
  return maxBytes < bufferBytes ? [deny, wait, deny] : [deny, wait];
}

/** Browsers send the control plane's cookie to all ports of its host. A service has no business with it. */
const noSession = `http-request replace-header Cookie '(.*)tidepool_session=[^;]*(.*)' '\\1\\2'`;
/** The VM that answered, which is the server's name less its slot: load clients tell their figures by it. */
const whoAnswers = `http-response set-header x-tidepool-server %[srv_name,field(1,:),regsub(-.$,)] unless { srv_name ${successor} }`;

function backendLines(service: BalancedService, { waitMs }: ConfigSettings): string[] {
  const { name, protocol, healthPath, requestTimeoutMs } = service;
  const failed = failedVariable(name);
  const hold = `lua.hold ${Math.ceil(waitMs / 100)} if { nbsrv eq 0 } !{ stopping }`;
  const rules = {
    tcp: [`tcp-request inspect-delay ${waitMs + 1_000}ms`, `tcp-request content ${hold}`],
    http: [
      // Who gave up waits no longer.
      'option abortonclose',
      'retry-on conn-failure empty-response',
      'http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }',
      `http-request ${hold}`,
      noSession,
      whoAnswers,
      'http-response set-var(txn.answered) bool(true) if { status ge 500 }',
      `http-after-response set-var(${failed}) var(${failed}),add(1) if { status ge 500 } !{ var(txn.answered) -m found }`,
    ],
  };
  return [
    `mode ${protocol}`,
    'balance leastconn',
    `timeout server ${requestTimeoutMs}ms`,
    ...healthLines(healthPath),
    ...rules[protocol],
    // A worker that leaves knows nothing of servers that come and go: what it has not sent to one yet, it sends to the
    // worker that took its place, by way of the service's own address.
    `server ${successor} ${address(ownAddress(service))} weight 0`,
    `use-server ${successor} if { stopping }`,
    `default-server ${serverOptions(service)}`,
  ];
}

function healthLines(path: string | null): string[] {
  if (path === null) return [];
  const send = `http-check send meth GET uri '${path}' ver HTTP/1.1 hdr Host tidepool`;
  return ['option httpchk', send, 'http-check expect status 200-399'];
}

/** Those that drain are not written: a HAProxy that starts anew has nothing of theirs to finish. */
function serverLines({ servers }: BalancedService): string[] {
  return servers
    .filter(({ state }) => state === 'serving')
    .map((server) => `server ${serverId(server)} ${address(server)}`);
}

/** What HAProxy answers by itself, in the form of the API's errors. */
const errorAnswers = [
  errorAnswer(400, 'invalid', 'this is not an HTTP request, or its headers are too long'),
  errorAnswer(408, 'timeout', 'the request did not arrive in time'),
  errorAnswer(413, 'too_large', 'the body is larger than the service takes'),
  errorAnswer(500, 'internal', 'the front door failed'),
  errorAnswer(502, 'upstream', 'the VM that had the request gave no whole answer'),
  errorAnswer(503, 'unavailable', 'no VM of the service took the request in time'),
  errorAnswer(504, 'timeout', 'the VM that had the request did not answer in time'),
];

function errorAnswer(status: 400 | 408 | 413 | 500 | 502 | 503 | 504, code: ErrorCode, detail: string): string {
  const problem = { type: 'about:blank', title: code, status, detail, code, details: {} };
  return `http-error status ${status} content-type application/problem+json string '${JSON.stringify(problem)}'`;
}
