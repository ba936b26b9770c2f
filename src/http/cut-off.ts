import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AccountContext, accountTopic } from '../accounts/context.ts';
import { hasScope, type Identity, identify } from '../accounts/identity.ts';
import { withDeadline } from '../reconcile/deadline.ts';

/** Without a change, so that expiry too ends what goes on. */
const lookAgainMs = 60_000;
/** For who ended their own session to get the answer. */
const answerWithinMs = 1_000;

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
  const isUpgrade = request.headers.upgrade !== undefined;
  const gone = new AbortController();
  // A WebSocket's reply never ends by itself.
  (isUpgrade ? socket : reply.raw).once('close', () => gone.abort());
  const subscription = changes.subscribe(accountTopic(identity.name));
  try {
    do await withDeadline(clock, lookAgainMs, gone.signal, (limited) => subscription.wait(limited));
    while (!gone.signal.aborted && (await isStillGood(context, request, secret, identity)));
    const { headersSent, writableEnded } = reply.raw;
    const isStream = isUpgrade || (headersSent && !writableEnded);
    // Given up as soon as the answer is out.
    if (!isStream) await clock.sleep(answerWithinMs, gone.signal).catch(() => undefined);
    if (!gone.signal.aborted) socket.destroy();
  } finally {
    subscription.close();
  }
}

async function isStillGood(
  context: AccountContext,
  request: FastifyRequest,
  secret: string,
  { role }: Identity,
): Promise<boolean> {
  const now = await identify(context, secret, false);
  const { scope = 'admin' } = request.routeOptions.config;
  return now !== undefined && now.role === role && hasScope(now, scope);
}
