import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import { hasScope, type Identity, isAdmin } from '../accounts/identity.ts';
import type { Scope } from '../domain/account.ts';
import { TidepoolError } from '../domain/errors.ts';

/**
 * Who may use a route stands beside the route, as its `config`: `config: reads`, `config: needs('jobs')`,
 * `config: adminOnly`, `config: open`. A server with a route that says nothing does not start.
 */
export type Access =
  | { readonly access: 'public' }
  | { readonly access: 'user'; readonly scope: Scope }
  | { readonly access: 'either'; readonly scope: Scope }
  | { readonly access: 'admin'; readonly scope: 'admin' | 'worker' };

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access['access'];
    scope?: Scope;
    /** The route has a bound of its own, and does not count among the requests of a user that are under way. */
    hasOwnBound?: true;
  }
  interface FastifyRequest {
    /** Who asks; null on a public route, and on one for either when nobody has signed in. */
    identity: Identity | null;
  }
}

/** For everybody, signed in or not. */
export const open: Access = { access: 'public' };
/** For everybody who is signed in; what it shows is theirs, or of no person. */
export const reads: Access = { access: 'user', scope: 'read' };
/** For administrators. */
export const adminOnly: Access = { access: 'admin', scope: 'admin' };

/** For machines that join as workers, by an administrator's token; and for administrators. */
export const joins: Access = { access: 'admin', scope: 'worker' };

/** For everybody who is signed in, by a token only with this scope. Pure. */
export function needs(scope: Scope): Access {
  return { access: 'user', scope };
}

/**
 * A server with a route that does not say who may use it does not get ready. Must be called before there are any. Checked
 * at the end, for a scope with a package's routes in it may say it for them.
 */
export function requireDeclarations(app: FastifyInstance, onRoute: (route: RouteOptions) => void): void {
  app.decorateRequest('identity', null);
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => {
    routes.push(route);
    onRoute(route);
  });
  app.addHook('onReady', async () => {
    for (const { method, url, config: { access, scope } = {} } of routes) {
      if (access === 'public' || (access !== undefined && scope !== undefined)) continue;
      throw new TidepoolError('internal', `${String(method)} ${url} does not say who may use it (config)`);
    }
  });
}

/** For everybody; who is signed in by a token needs this scope. What those get who are not is up to the route. Pure. */
export function either(scope: Scope): Access {
  return { access: 'either', scope };
}

/** Errors: `forbidden` when who asks may not do what the route needs. Pure. */
export function checkAccess(identity: Identity, access: 'user' | 'either' | 'admin', scope: Scope): void {
  if (access === 'admin' && identity.role !== 'admin') {
    throw new TidepoolError('forbidden', 'this is for administrators');
  }
  if (hasScope(identity, scope)) return;
  const why = scope === 'account' ? 'no token may do this; sign in' : `the token has not the scope ${scope}`;
  throw new TidepoolError('forbidden', why);
}

/** Who asks. Only for handlers of routes that are not public. */
export function viewer({ identity }: FastifyRequest): Identity {
  if (identity === null) throw new TidepoolError('internal', 'a public route asks who is there');
  return identity;
}

/** Whose things who asks may see: their own name's; null is everybody's. */
export function visibleOwner(request: FastifyRequest): string | null {
  const identity = viewer(request);
  return isAdmin(identity) ? null : identity.name;
}
