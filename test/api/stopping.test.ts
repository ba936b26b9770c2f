import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { ApiClient } from '../../src/cli/client.ts';
import { JobClient } from '../../src/cli/job-client.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { jobSchema, problemSchema } from '../../src/protocol/api.ts';
import { openTestWeb } from '../accounts/server.ts';
import { openTestAccounts, sessionOf } from '../accounts/support.ts';
import { form, script } from './support.ts';

let status: 'ready' | 'stopping' = 'stopping';
const web = await openTestWeb(await openTestAccounts({ signUp: true }), { status: () => status });
after(() => web[Symbol.asyncDispose]());
const secret = await sessionOf(web.accounts, 'admin');

function ask(method: string, path: string, headers = {}, body?: FormData): Promise<Response> {
  const init = { method, headers: { authorization: `Bearer ${secret}`, ...headers } };
  return fetch(web.url + path, body === undefined ? init : { ...init, body });
}

/** Every route that changes something is in one of the two lists. */
const refused = [
  'POST /upload',
  'POST /api/v1/jobs',
  'POST /api/v1/jobs/:id/rerun',
  'POST /api/v1/services',
  'POST /api/v1/services/:name/start',
  'POST /api/v1/services/:name/rollback',
  'PUT /api/v1/services/:name/load',
  'POST /api/v1/pools/:name/scale',
  'PATCH /api/v1/pools/:name',
];
const goesOn = [
  'POST /api/v1/session',
  'DELETE /api/v1/session',
  'PUT /api/v1/account/password',
  'POST /api/v1/signup',
  'POST /api/v1/users',
  'PATCH /api/v1/users/:name',
  'DELETE /api/v1/users/:name',
  'PUT /api/v1/users/:name/password',
  'POST /api/v1/tokens',
  'DELETE /api/v1/tokens/:id',
  'POST /api/v1/server/database-copies',
  'DELETE /api/v1/jobs/:id',
  'POST /api/v1/jobs/cancel',
  'POST /api/v1/jobs/:id/cancel',
  'POST /api/v1/pools/:name/pause',
  'POST /api/v1/pools/:name/resume',
  'DELETE /api/v1/services/:name',
  'POST /api/v1/services/:name/stop',
  'DELETE /api/v1/services/:name/load',
  'POST /api/v1/vms/:name/drain',
  'DELETE /api/v1/vms/:name',
  'DELETE /api/v1/workers/:name',
];

test('a server that is stopping refuses new work on every route that makes some', async () => {
  for (const route of refused) {
    const [method = '', path = ''] = route.split(' ');
    const response = await ask(method, path.replace(/:\w+/, 'some'));
    const problem = problemSchema.parse(await response.json());
    assert.deepEqual([route, response.status, problem.code], [route, 503, 'unavailable']);
    assert.match(problem.detail, /^the server is stopping: .*try again/);
    assert.equal(response.headers.get('retry-after'), '30');
  }
});

test('every other route that changes something goes on', async () => {
  const changing = web.routes.filter((route) => !/^(GET|HEAD) /.test(route));
  assert.deepEqual([...changing].sort(), [...refused, ...goesOn].sort());
  for (const route of goesOn.filter((one) => !one.endsWith(' /api/v1/session'))) {
    const [method = '', path = ''] = route.split(' ');
    const response = await ask(method, path.replace(/:\w+/, 'some'));
    await response.body?.cancel();
    assert.notEqual(response.status, 503, route);
  }
});

test('who has not signed in learns nothing of it', async () => {
  const response = await fetch(`${web.url}/api/v1/jobs`, { method: 'POST' });
  assert.equal(response.status, 401);
});

test('jobs are read, cancelled and downloaded while the server is stopping', async () => {
  const job = await web.addJob('admin', true);
  for (const path of ['', '/logs', '/files/out.txt', '/archive']) {
    const response = await ask('GET', `/api/v1/jobs/${job.id}${path}`);
    await response.body?.cancel();
    assert.equal(response.status, 200, path);
  }
  const running = await web.addJob('admin');
  assert.equal((await ask('POST', `/api/v1/jobs/${running.id}/cancel`)).status, 200);
});

test('a submission that was taken before is answered when it is sent again', async () => {
  const key = { 'idempotency-key': randomUUID() };
  const submit = async (): Promise<string> => {
    const response = await ask('POST', '/api/v1/jobs', key, form({ script }));
    assert.equal(response.status, 201);
    return jobSchema.parse(await response.json()).id;
  };
  status = 'ready';
  const first = await submit();
  status = 'stopping';
  assert.equal(await submit(), first);
});

test('the command line says at once that the server is stopping', async () => {
  const pauses: number[] = [];
  const submitting = new JobClient(new ApiClient({ url: web.url, token: secret })).submit(
    {},
    { script: import.meta.filename },
    async (ms) => void pauses.push(ms),
  );
  await assert.rejects(submitting, (error) => hasCode(error, 'unavailable') && error.message.includes('is stopping'));
  assert.deepEqual(pauses, []);
});
