import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FastifyInstance, fastify } from 'fastify';
import { hasCode } from '../domain/errors.ts';
import type { TokenScope } from '../protocol/account.ts';
import { adminOnly, checkAccess, needs, open, reads, requireDeclarations } from './access.ts';

const admin = { name: 'admin', role: 'admin', signedInBy: 'session', scopes: null, hash: '' } as const;

test('a server with a route that does not say who may use it does not start', async () => {
  const start = async (addRoutes: (app: FastifyInstance) => void): Promise<string[]> => {
    const seen: string[] = [];
    const app = fastify({ exposeHeadRoutes: false });
    requireDeclarations(app, (route) => seen.push(route.url));
    await app.register(async (inner) => addRoutes(inner));
    await app.ready();
    return seen;
  };
  const answer = async (): Promise<string> => 'x';
  const declared = await start((app) => {
    for (const [i, config] of [open, reads, needs('jobs'), adminOnly].entries()) app.get(`/${i}`, { config }, answer);
  });
  assert.deepEqual(declared, ['/0', '/1', '/2', '/3']);
  const forgotten: ((app: FastifyInstance) => void)[] = [
    (app) => app.get('/x', answer),
    (app) => app.post('/x', { config: {} }, answer),
    (app) => app.get('/x', { config: { access: 'user' } }, answer),
    (app) => app.route({ method: ['GET', 'PUT'], url: '/x', config: { scope: 'read' }, handler: answer }),
  ];
  for (const addRoutes of forgotten) {
    await assert.rejects(
      start(addRoutes),
      (error) => hasCode(error, 'internal') && /\/x does not say/.test(error.message),
    );
  }
});

test('a token does what its scopes name; a session does all that its user may', () => {
  const may = (scopes: readonly TokenScope[] | null, role: 'user' | 'admin' = 'admin') =>
    (['read', 'jobs', 'services', 'account', 'worker', 'admin'] as const).filter((scope) => {
      try {
        const access = scope === 'admin' || scope === 'worker' ? 'admin' : 'user';
        checkAccess({ ...admin, role, scopes }, access, scope);
        return true;
      } catch (error) {
        assert.ok(hasCode(error, 'forbidden'));
        return false;
      }
    });
  assert.deepEqual(may(null), ['read', 'jobs', 'services', 'account', 'worker', 'admin']);
  assert.deepEqual(may(null, 'user'), ['read', 'jobs', 'services', 'account']);
  assert.deepEqual(may([]), []);
  assert.deepEqual(may(['read']), ['read']);
  assert.deepEqual(may(['jobs']), ['read', 'jobs']);
  assert.deepEqual(may(['services']), ['read', 'services']);
  assert.deepEqual(may(['worker']), ['worker']);
  assert.deepEqual(may(['worker'], 'user'), []);
  assert.deepEqual(may(['admin']), ['read', 'jobs', 'services', 'worker', 'admin']);
  assert.deepEqual(may(['admin'], 'user'), ['read', 'jobs', 'services']);
});
