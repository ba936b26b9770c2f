import type { FastifyReply, FastifyRequest } from 'fastify';

/** With `__Host-` browsers take it only over HTTPS, for this very host and all of its paths. */
function cookieName(request: FastifyRequest): string {
  return request.protocol === 'https' ? '__Host-tidepool_session' : 'tidepool_session';
}

/** The session's secret that the browser sent; undefined when there is none, an empty one, or more than one. */
export function sessionCookie(request: FastifyRequest): string | undefined {
  const name = `${cookieName(request)}=`;
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const values = pairs.filter((pair) => pair.startsWith(name)).map((pair) => pair.slice(name.length));
  // One of two was set by somebody else.
  return values.length === 1 && values[0] !== '' ? values[0] : undefined;
}

/**
 * Gives the browser the session's secret: out of reach of scripts, sent to this host only and never from another site.
 * @param maxAgeMs after which the browser forgets it
 */
export function setSessionCookie(request: FastifyRequest, reply: FastifyReply, secret: string, maxAgeMs: number): void {
  const secure = request.protocol === 'https' ? '; Secure' : '';
  const maxAge = Math.floor(maxAgeMs / 1_000);
  const cookie = `${cookieName(request)}=${secret}; Path=/; Max-Age=${maxAge}; HttpOnly; SameSite=Strict${secure}`;
  reply.header('set-cookie', cookie);
}

/** Makes the browser forget it. */
export function clearSessionCookie(request: FastifyRequest, reply: FastifyReply): void {
  setSessionCookie(request, reply, '', 0);
}
