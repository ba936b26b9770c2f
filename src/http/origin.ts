import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { TidepoolError } from '../domain/errors.ts';

const readingMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses requests under a name that is not ours: a page of a stranger could make its own name lead to our address
 * (DNS rebinding) and would then be taken for a page of ours. An address cannot be made to lead elsewhere.
 * @param allowed lower-case names; those of this machine are always allowed. Errors: `forbidden`.
 */
export function checkHost(request: FastifyRequest, allowed: ReadonlySet<string>): void {
  const name = request.hostname.toLowerCase().replace(/\.$/, '');
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0) return;
  if (name === 'localhost' || name.endsWith('.localhost') || allowed.has(name)) return;
  throw new TidepoolError(
    'forbidden',
    `this server is not known as ${JSON.stringify(name.slice(0, 100))}; if it is one of its names, add it to the ` +
      'setting allowedHosts',
  );
}

/**
 * Refuses what a page of another site makes a browser do (CSRF, also by WebSocket). Browsers name a page's origin with
 * every request that may change something. Another port is another origin: services of other users may be there.
 * @param byCookie whether the browser added the credential by itself; then an origin must be named. Errors: `forbidden`.
 */
export function checkOrigin(request: FastifyRequest, byCookie: boolean): void {
  if (readingMethods.has(request.method) && request.headers.upgrade === undefined) return;
  const { origin } = request.headers;
  if (origin === undefined && !byCookie) return;
  const ours = `${request.protocol}://${request.host}`;
  if (origin === ours) return;
  throw new TidepoolError(
    'forbidden',
    `the request comes from ${JSON.stringify((origin ?? 'nowhere').slice(0, 100))}, not from ${ours}; behind a proxy, ` +
      'name it in the setting trustedProxies',
  );
}
