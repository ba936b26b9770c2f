import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { TidepoolError } from '../domain/errors.ts';

/** Whoever holds the admin token of the data folder. */
export const adminUser = 'admin';

/** Checks `Authorization: Bearer TOKEN`. Errors: `unauthenticated`. */
export function requireToken(request: FastifyRequest, adminToken: string): void {
  const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (given === undefined) throw new TidepoolError('unauthenticated', 'a token is needed: Authorization: Bearer TOKEN');
  if (!sameText(given, adminToken)) throw new TidepoolError('unauthenticated', 'the token is not known here');
}

/** Compares hashes, so that neither length nor content shows in the time it takes. */
function sameText(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}
