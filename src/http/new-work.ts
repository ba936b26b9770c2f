import type { FastifyInstance } from 'fastify';
import { TidepoolError } from '../domain/errors.ts';
import type { HttpContext } from './context.ts';
import { isRepeated } from './once.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    isNewWork?: boolean;
  }
}

/** Marks a route, beside its access, that gives the server something to do which outlasts the request. */
export const newWork = { isNewWork: true } as const;

/** A server that stops takes minutes, and its next start is up to somebody else. */
const retryAfterSeconds = 30;

/**
 * Refuses new work once the server is stopping; everything else goes on. A request whose key is known is answered as before. Must be
 * called after the doorkeeper is added: strangers are sent away first. Error: `unavailable`.
 */
export function refuseNewWork(
  app: FastifyInstance,
  { status, storage }: Pick<HttpContext, 'status' | 'storage'>,
): void {
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.isNewWork !== true || status() !== 'stopping') return;
    if (request.identity !== null && (await isRepeated(request, request.identity.name, storage))) return;
    throw new TidepoolError(
      'unavailable',
      'the server is stopping: it finishes what runs and takes nothing new; try again when it has been started again',
      { details: { isStopping: true, retryAfterSeconds } },
    );
  });
}
