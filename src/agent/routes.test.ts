import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { uptimeHeader, workUntilHeader } from '../protocol/agent.ts';
import { sendEmpty } from './http-io.ts';
import type { Call } from './route.ts';
import { answer } from './routes.ts';
import { WorkLease } from './work-lease.ts';

test('every answer has the uptime, also an error, and every request may carry a permission to work', async (t) => {
  let uptimeMs = 1_234.5;
  const lease = new WorkLease(() => uptimeMs);
  const routes = { 'GET /v1/empty': async (_api: unknown, { response }: Call) => sendEmpty(response) };
  const server = createServer((request, response) => void answer(routes, { lease }, request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const ask = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/v1/${path}`, { headers });
  for (const path of ['empty', 'nothing-here']) assert.equal((await ask(path)).headers.get(uptimeHeader), '1234');
  await ask('nothing-here', { [workUntilHeader]: '2000' });
  assert.equal(lease.isLapsed, false);
  uptimeMs = 2_001;
  assert.equal(lease.isLapsed, true);
  await ask('empty');
  assert.equal(lease.isLapsed, true, 'a request without a permission is none');
  await ask('empty', { [workUntilHeader]: '3000' });
  assert.equal(lease.isLapsed, false);
});
