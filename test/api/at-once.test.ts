import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { fastify } from 'fastify';
import { joins, reads, requireDeclarations } from '../../src/http/access.ts';
import { AtOnce } from '../../src/http/at-once.ts';
import { addDoorkeeper } from '../../src/http/session.ts';
import { adminToken, openTestAccounts } from '../accounts/support.ts';

test('links of workers leave their user all of the requests that a user may have at one time', async (t) => {
  const app = fastify({ forceCloseConnections: true });
  requireDeclarations(app, () => undefined);
  addDoorkeeper(app, await openTestAccounts(), [], new AtOnce(1));
  app.get('/link', { config: { ...joins, hasOwnBound: true } }, (_request, reply) => {
    reply.hijack();
    reply.raw.socket?.write('linked');
  });
  app.get('/list', { config: reads }, async () => 'listed');
  const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  t.after(() => app.close());
  for (let i = 0; i < 3; i += 1) {
    const socket = connect(Number(url.port), '127.0.0.1');
    t.after(() => socket.destroy());
    socket.write(`GET /link HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${adminToken}\r\n`);
    socket.write('connection: Upgrade\r\nupgrade: tidepool-worker\r\n\r\n');
    const first = await new Promise((resolve) => socket.once('data', resolve));
    assert.equal(String(first), 'linked');
  }
  const headers = { authorization: `Bearer ${adminToken}` };
  const answer = await fetch(new URL('/list', url), { headers });
  assert.deepEqual([answer.status, await answer.text()], [200, 'listed']);
});
