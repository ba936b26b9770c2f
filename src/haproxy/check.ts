import { isIP } from 'node:net';
import type { BalancedServer, BalancedService } from '../domain/balancer.ts';
import { TidepoolError } from '../domain/errors.ts';

const serviceName = /^[a-z0-9][a-z0-9-]{0,63}$/;
const serverName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** Of a URL's path and query, what means nothing to HAProxy's configuration. */
const plainPath = /^\/[A-Za-z0-9._~!*,;:@/?=&+-]{0,200}$/;

/**
 * Nothing that is not checked here gets into HAProxy's configuration or its commands: a name with a line break in it would
 * be a setting of its own. Errors: `invalid`; `conflict` when two services want the same port.
 */
export function checkServices(services: readonly BalancedService[]): void {
  for (const [index, service] of services.entries()) {
    checkService(service);
    const before = services.slice(0, index);
    if (before.some(({ name }) => name === service.name)) throw invalid(service, 'there are two services of this name');
    const rival = before.find((other) => isSamePlace(other, service));
    if (rival !== undefined) throw portTaken(service, `the service ${rival.name} has it`);
  }
}

/** The error that the port's contract promises for a service that cannot have its port. */
export function portTaken({ name, host, port }: BalancedService, why: string): TidepoolError {
  return new TidepoolError('conflict', `the service ${name} cannot have port ${port} of ${host}: ${why}`, {
    details: { service: name, port },
  });
}

/** An address as the kernel sees it: one that stands for all addresses takes the port of each. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Whether two cannot be listened on at once. */
export function isSamePlace(a: Place, b: Place): boolean {
  return a.port === b.port && (a.host === b.host || isAny(a.host) || isAny(b.host));
}

function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function checkService(service: BalancedService): void {
  const { name, protocol, healthPath, maxBodyBytes, servers } = service;
  if (!serviceName.test(name)) throw invalid(service, 'its name is not lower-case letters, digits and dashes');
  if (protocol !== 'http' && protocol !== 'tcp') throw invalid(service, `${protocol} cannot be balanced`);
  checkAddress(service, service);
  if (healthPath !== null && !plainPath.test(healthPath)) throw invalid(service, 'its health path cannot be asked for');
  if (maxBodyBytes !== null) checkCount(service, 'maxBodyBytes', maxBodyBytes, 0);
  checkCount(service, 'requestTimeoutMs', service.requestTimeoutMs, 1);
  checkCount(service, 'maxPerServer', service.maxPerServer, 1);
  for (const [index, server] of servers.entries()) {
    checkServer(service, server);
    if (servers.findIndex((other) => other.name === server.name) !== index)
      throw invalid(service, `it has two servers ${server.name}`);
  }
}

function checkServer(service: BalancedService, server: BalancedServer): void {
  if (!serverName.test(server.name)) throw invalid(service, `${JSON.stringify(server.name)} cannot name a server`);
  checkAddress(service, server);
}

function checkAddress(service: BalancedService, { host, port }: Place): void {
  if (isIP(host) === 0 || host.includes('%')) throw invalid(service, `${JSON.stringify(host)} is no IP address`);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid(service, `${port} is no port`);
}

/** HAProxy keeps times and counts as signed 32-bit numbers. */
function checkCount(service: BalancedService, what: string, value: number, min: number): void {
  if (Number.isInteger(value) && value >= min && value < 2 ** 31) return;
  throw invalid(service, `${what} is ${value}; it must be a whole number from ${min}`);
}

function invalid({ name }: BalancedService, what: string): TidepoolError {
  return new TidepoolError('invalid', `the service ${JSON.stringify(name)} cannot be balanced: ${what}`);
}
