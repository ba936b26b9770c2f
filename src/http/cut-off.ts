import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccountContext } from '../accounts/context.ts';
import { accountTopic } from '../accounts/context.ts';
import { hasScope, type Identity, identify } from '../accounts/identity.ts';
import { withDeadline } from '../reconcile/deadline.ts';

/** Without a change, so that expiry too ends what goes on. */
const lookAgainMs = 60_000;

/**
 * Ends a request that goes on (a followed log, a console) when the session or token behind it is not good any more,
 * or may not do it any more. Resolves when the request has ended.
 * @param secret of that session or token
 */
export async function cutOffWhenRevoked(
  context: AccountContext,
  request: FastifyRequest,
  reply: FastifyReply,
  secret: string,
  identity: Identity,
): Promise<void> {
  const { clock, changes } = context;
  const { socket } = request.raw;
  const gone = new AbortController();
  const end = (): void => gone.abort();
  // A WebSocket's reply never ends by itself.
  reply.raw.once('close', end);
  socket.once('close', end);
  const subscription = changes.subscribe(accountTopic(identity.name));
  try {
    while (!gone.signal.aborted) {
      await withDeadline(clock, lookAgainMs, gone.signal, (limited) => subscription.wait(limited));
      if (gone.signal.aborted) return;
      const now = await identify(context, secret, false);
      const { scope = 'admin' } = request.routeOptions.config;
      if (now === undefined || now.role !== identity.role || !hasScope(now, scope)) socket.destroy();
    }
  } finally {
    subscription.close();
    socket.off('close', end);
  }
}
