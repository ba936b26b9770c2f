import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AccountContext } from '../accounts/context.ts';
import { type Identity, identify } from '../accounts/identity.ts';
import { TidepoolError } from '../domain/errors.ts';
import { checkAccess } from './access.ts';
import { AtOnce } from './at-once.ts';
import { clearSessionCookie, sessionCookie } from './cookie.ts';
import { cutOffWhenRevoked } from './cut-off.ts';
import { checkHost, checkOrigin } from './origin.ts';

interface Credential {
  readonly secret: string;
  /** The browser adds cookies by itself, whoever made it ask. */
  readonly byCookie: boolean;
}

/**
 * Before every request: is it for us, from us, and by whom. Who asks is then `request.identity`.
 * @param allowedHosts names of this server beside those of the machine
 */
export function addDoorkeeper(
  app: FastifyInstance,
  accounts: AccountContext,
  allowedHosts: Iterable<string>,
  atOnce: AtOnce = new AtOnce(),
): void {
  const hosts = new Set([...allowedHosts].map((name) => name.toLowerCase()));
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers.upgrade !== undefined) reply.header('connection', 'close');
    checkHost(request, hosts);
    // What is not there is not there for anybody; it must not say more to those who are not signed in.
    if (request.is404) return;
    const credential = credentialOf(request);
    checkOrigin(request, credential?.byCookie ?? false);
    const { access = 'admin', scope = 'admin', hasOwnBound = false } = request.routeOptions.config;
    if (access === 'public' || (access === 'either' && credential === undefined)) return;
    const identity = await authenticate(accounts, request, reply, credential);
    checkAccess(identity, access, scope);
    // A WebSocket's reply never ends by itself.
    const ends = request.headers.upgrade === undefined ? reply.raw : request.raw.socket;
    if (!hasOwnBound) ends.once('close', atOnce.enter(identity.name));
    request.identity = identity;
    // What one user sees is kept by no cache.
    reply.header('cache-control', 'no-store');
    if (credential !== undefined) watch(accounts, request, reply, credential.secret, identity);
  });
  // Node lets go of a connection that asked for an upgrade: with an answer instead of one, nobody else would close it.
  app.addHook('onResponse', async ({ headers, raw }) => {
    if (headers.upgrade !== undefined) raw.socket.end();
  });
}

/** `Authorization: Bearer SECRET`, or the session's cookie; the header wins. */
function credentialOf(request: FastifyRequest): Credential | undefined {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const secret = /^Bearer (\S+)$/i.exec(authorization)?.[1];
    return secret === undefined ? undefined : { secret, byCookie: false };
  }
  const secret = sessionCookie(request);
  return secret === undefined ? undefined : { secret, byCookie: true };
}

async function authenticate(
  accounts: AccountContext,
  request: FastifyRequest,
  reply: FastifyReply,
  credential: Credential | undefined,
): Promise<Identity> {
  if (credential === undefined) {
    throw new TidepoolError('unauthenticated', 'sign in, or send a token: Authorization: Bearer TOKEN');
  }
  const identity = await identify(accounts, credential.secret);
  if (identity !== undefined) return identity;
  if (credential.byCookie) clearSessionCookie(request, reply);
  const what = credential.byCookie ? 'session' : 'token';
  throw new TidepoolError('unauthenticated', `the ${what} is not known here, or it has ended`);
}

function watch(
  accounts: AccountContext,
  request: FastifyRequest,
  reply: FastifyReply,
  secret: string,
  identity: Identity,
): void {
  cutOffWhenRevoked(accounts, request, reply, secret, identity).catch((error: unknown) => {
    // Who cannot be checked any more does not go on.
    accounts.log(`checking a session failed: ${String(error)}`);
    request.raw.socket.destroy();
  });
}
