import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openTestWeb, type TestWeb } from './server.ts';
import { addTestUser, openTestAccounts, passwordOf, sessionOf, tokenOf } from './support.ts';

/**
 * Who gets what from each route. A new route fails the first test until it has a row here; so does one that is gone.
 *
 * `owner`, `other`, `admin`: by session. `nobody`: with nothing. `reader`: the owner's token with the scope `read`.
 * `program`: an administrator's token with the scopes of users, who is to see what a user sees. `worker`: one with the
 * scope `worker` alone.
 */
const callers = ['owner', 'other', 'admin', 'nobody', 'reader', 'program', 'worker'] as const;
type Caller = (typeof callers)[number];
type Statuses = Readonly<Record<Caller, number>>;

const forAll = (ok: number): Statuses => ({
  ...{ owner: ok, other: ok, admin: ok, nobody: ok, reader: ok },
  ...{ program: ok, worker: ok },
});
const signedIn = (ok: number): Statuses => ({ ...forAll(ok), nobody: 401, worker: 403 });
const ownReading: Statuses = { ...signedIn(200), other: 404, program: 404 };
const ownChange = (ok: number): Statuses => ({ ...signedIn(ok), other: 404, reader: 403, program: 404 });
const anyChange = (ok: number): Statuses => ({ ...signedIn(ok), reader: 403 });
const bySession = (ok: number): Statuses => ({ ...signedIn(ok), reader: 403, program: 403 });
const adminOnly = (ok: number): Statuses => ({ ...forAll(403), admin: ok, nobody: 401 });
const joins = (ok: number): Statuses => ({ ...adminOnly(ok), worker: ok });

/** What a request is about: everything of it is the owner's, and new for each request. */
interface Target {
  readonly owner: string;
  readonly runningJob: string;
  readonly endedJob: string;
  readonly token: string;
  readonly service: string;
}

interface Row {
  readonly expected: Statuses;
  /** The path with what stands for its parameters; the route's own path unless given. */
  path?(target: Target): string;
  body?(target: Target, caller: Caller): Readonly<Record<string, unknown>> | FormData;
}

const job = ({ runningJob }: Target): string => `/api/v1/jobs/${runningJob}`;
const user = ({ owner }: Target): string => `/api/v1/users/${owner}`;
const pool = '/api/v1/pools/default';
const vm = '/api/v1/vms/test-0000';

const service = ({ service: name }: Target): string => `/api/v1/services/${name}`;

function deployment(name: string): FormData {
  const form = new FormData();
  form.set('spec', JSON.stringify({ name, protocol: 'udp' }));
  form.set('file', new Blob(['def handler(request): return 1']), 'app.py');
  return form;
}

function submission(): FormData {
  const form = new FormData();
  form.set('script', new Blob(['print(1)']), 'test.py');
  return form;
}

function oldUpload(): FormData {
  const form = new FormData();
  form.set('file', new Blob(['print(1)']), 'test.py');
  return form;
}

const matrix: Readonly<Record<string, Row>> = {
  'POST /upload': { expected: anyChange(303), body: oldUpload },
  'GET /job-status/:user': { expected: ownReading, path: ({ owner }) => `/job-status/${owner}` },

  'GET /api/openapi.json': { expected: forAll(200) },
  'GET /api/docs': { expected: forAll(200) },
  'GET /api/docs/json': { expected: forAll(200) },
  'GET /api/docs/yaml': { expected: forAll(200) },
  // It leads to the page itself.
  'GET /api/docs/static/index.html': { expected: forAll(302) },
  'GET /api/docs/static/swagger-initializer.js': { expected: forAll(200) },
  'GET /api/docs/static/theme/tidepool.css': { expected: forAll(200) },
  'GET /api/docs/static/*': { expected: forAll(200), path: () => '/api/docs/static/swagger-ui.css' },
  'HEAD /api/docs/static/*': { expected: forAll(200), path: () => '/api/docs/static/swagger-ui.css' },
  'GET /api/v1/health': { expected: forAll(200) },
  'GET /api/v1/server': { expected: adminOnly(200) },
  'POST /api/v1/server/database-copies': { expected: adminOnly(201) },
  'GET /metrics': { expected: signedIn(200) },

  'POST /api/v1/session': {
    expected: forAll(200),
    body: ({ owner }) => ({ name: owner, password: passwordOf(owner) }),
  },
  'DELETE /api/v1/session': { expected: bySession(204) },
  'GET /api/v1/account': { expected: signedIn(200) },
  'PUT /api/v1/account/password': {
    // Only the owner has this password.
    expected: { ...bySession(401), owner: 204 },
    body: ({ owner }) => ({ current: passwordOf(owner), next: 'quite another one' }),
  },
  'GET /api/v1/signup': { expected: forAll(200) },
  'POST /api/v1/signup': {
    expected: forAll(201),
    body: ({ owner }, caller) => ({ name: `${owner}-${caller}`, password: 'quite another one' }),
  },

  'GET /api/v1/users': { expected: adminOnly(200) },
  'POST /api/v1/users': { expected: adminOnly(201), body: ({ owner }) => ({ name: `new-${owner}` }) },
  'GET /api/v1/users/:name': { expected: adminOnly(200), path: user },
  'PATCH /api/v1/users/:name': { expected: adminOnly(200), path: user, body: () => ({ disabled: true }) },
  'DELETE /api/v1/users/:name': { expected: adminOnly(204), path: user },
  'PUT /api/v1/users/:name/password': {
    expected: adminOnly(200),
    path: (target) => `${user(target)}/password`,
    body: () => ({}),
  },

  'GET /api/v1/tokens': { expected: bySession(200) },
  'POST /api/v1/tokens': { expected: bySession(201), body: () => ({ name: 'CI', scopes: ['read'] }) },
  'DELETE /api/v1/tokens/:id': {
    expected: { ...bySession(204), other: 404 },
    path: ({ token }) => `/api/v1/tokens/${token}`,
  },

  'POST /api/v1/jobs': { expected: anyChange(201), body: submission },
  'GET /api/v1/jobs': { expected: signedIn(200) },
  'GET /api/v1/jobs/:id': { expected: ownReading, path: job },
  'DELETE /api/v1/jobs/:id': { expected: ownChange(204), path: ({ endedJob }) => `/api/v1/jobs/${endedJob}` },
  'GET /api/v1/jobs/:id/attempts': { expected: ownReading, path: (target) => `${job(target)}/attempts` },
  // Its script is not in the blob store.
  'POST /api/v1/jobs/:id/rerun': { expected: ownChange(409), path: (target) => `${job(target)}/rerun` },
  'POST /api/v1/jobs/cancel': { expected: anyChange(200), body: () => ({ labels: { none: 'such' } }) },
  'POST /api/v1/jobs/:id/cancel': { expected: ownChange(200), path: (target) => `${job(target)}/cancel` },
  'GET /api/v1/jobs/:id/logs': { expected: ownReading, path: (target) => `${job(target)}/logs` },
  'GET /api/v1/jobs/:id/output': { expected: ownReading, path: (target) => `${job(target)}/output` },
  'GET /api/v1/jobs/:id/archive': { expected: ownReading, path: (target) => `${job(target)}/archive` },
  'GET /api/v1/jobs/:id/files': { expected: ownReading, path: (target) => `${job(target)}/files` },
  'GET /api/v1/jobs/:id/files/*': {
    expected: ownReading,
    path: ({ endedJob }) => `/api/v1/jobs/${endedJob}/files/out.txt`,
  },

  'GET /api/v1/pools': { expected: signedIn(200) },
  'GET /api/v1/pools/:name': { expected: signedIn(200), path: () => pool },
  'GET /api/v1/pools/:name/plan': { expected: signedIn(200), path: () => `${pool}/plan` },
  'POST /api/v1/pools/:name/scale': {
    expected: adminOnly(200),
    path: () => `${pool}/scale`,
    body: () => ({ desired: 1 }),
  },
  'PATCH /api/v1/pools/:name': { expected: adminOnly(200), path: () => pool, body: () => ({ min: 1 }) },
  'POST /api/v1/pools/:name/pause': { expected: adminOnly(200), path: () => `${pool}/pause` },
  'POST /api/v1/pools/:name/resume': { expected: adminOnly(200), path: () => `${pool}/resume` },

  'GET /api/v1/services': { expected: signedIn(200) },
  'POST /api/v1/services': {
    expected: anyChange(201),
    body: ({ owner }, caller) => deployment(`${caller}-of-${owner}`),
  },
  'GET /api/v1/services/:name': { expected: ownReading, path: service },
  'DELETE /api/v1/services/:name': { expected: ownChange(200), path: service },
  'POST /api/v1/services/:name/stop': { expected: ownChange(200), path: (target) => `${service(target)}/stop` },
  'POST /api/v1/services/:name/start': { expected: ownChange(200), path: (target) => `${service(target)}/start` },
  // There is no earlier revision.
  'POST /api/v1/services/:name/rollback': { expected: ownChange(409), path: (target) => `${service(target)}/rollback` },
  'GET /api/v1/services/:name/endpoints': { expected: ownReading, path: (target) => `${service(target)}/endpoints` },
  'GET /api/v1/services/:name/logs': { expected: ownReading, path: (target) => `${service(target)}/logs` },

  'GET /api/v1/services/:name/load': { expected: ownReading, path: (target) => `${service(target)}/load` },
  'PUT /api/v1/services/:name/load': {
    expected: ownChange(200),
    path: (target) => `${service(target)}/load`,
    body: () => ({ everyMs: 1_000 }),
  },
  'DELETE /api/v1/services/:name/load': { expected: ownChange(200), path: (target) => `${service(target)}/load` },

  'GET /api/v1/hosts': { expected: signedIn(200) },
  'GET /api/v1/runtimes': { expected: signedIn(200) },
  'GET /api/v1/usage': { expected: signedIn(200) },
  'GET /api/v1/vms': { expected: signedIn(200) },
  'POST /api/v1/vms/:name/drain': { expected: adminOnly(200), path: () => `${vm}/drain` },
  'DELETE /api/v1/vms/:name': { expected: adminOnly(200), path: () => vm },
  // Without an upgrade to a WebSocket there is nothing there for those who may have it.
  'GET /api/v1/vms/:name/console': { expected: adminOnly(404), path: () => `${vm}/console` },
  'GET /api/v1/workers': { expected: adminOnly(200) },
  // There are none.
  'DELETE /api/v1/workers/:name': { expected: joins(404), path: () => '/api/v1/workers/none' },
  'GET /api/v1/workers/runtimes': { expected: joins(200) },
  'GET /api/v1/workers/runtimes/:name/:id': { expected: joins(404), path: () => '/api/v1/workers/runtimes/python/0' },
  // Without an upgrade it is refused to those who may have it.
  'GET /api/v1/workers/link': { expected: joins(400) },
  'GET /api/v1/events': { expected: signedIn(200) },
  'GET /api/v1/events/stream': { expected: signedIn(200) },
};

const web: TestWeb = await openTestWeb(await openTestAccounts({ signUp: true }));
after(() => web[Symbol.asyncDispose]());
await addTestUser(web.accounts, 'other');
const { store } = web.accounts;
// Of one user there may be fewer tokens than there are routes.
const programToken = tokenOf(web.accounts, 'admin', ['read', 'jobs', 'services']);
const workerToken = tokenOf(web.accounts, 'admin', ['worker']);

test('every route of the server is in the matrix, and no other', () => {
  assert.deepEqual([...web.routes].sort(), Object.keys(matrix).sort());
});

for (const [route, row] of Object.entries(matrix)) {
  test(`${route}: ${callers.map((caller) => `${caller} ${row.expected[caller]}`).join(', ')}`, async () => {
    const seen: Partial<Record<Caller, number>> = {};
    for (const caller of callers) seen[caller] = await ask(route, row, caller);
    assert.deepEqual(seen, row.expected);
  });
}

let owners = 0;

async function ask(route: string, row: Row, caller: Caller): Promise<number> {
  owners += 1;
  const owner = `owner-${owners}`;
  await addTestUser(web.accounts, owner);
  await tokenOf(web.accounts, owner, ['jobs']);
  const target: Target = {
    owner,
    runningJob: (await web.addJob(owner)).id,
    endedJob: (await web.addJob(owner, true)).id,
    token: (await store.tokens.list(owner, 1))[0]?.id ?? '',
    service: await web.addService(owner),
  };
  const [method = '', routePath = ''] = route.split(' ');
  const secret = await secretOf(caller, owner);
  const body = row.body?.(target, caller);
  const isJson = body !== undefined && !(body instanceof FormData);
  // Streams that never end are left once their status is known.
  const leaving = new AbortController();
  const response = await fetch(web.url + (row.path?.(target) ?? routePath), {
    method,
    redirect: 'manual',
    signal: leaving.signal,
    headers: {
      ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
      ...(isJson ? { 'content-type': 'application/json' } : {}),
    },
    ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : body }),
  });
  leaving.abort();
  return response.status;
}

function secretOf(caller: Caller, owner: string): Promise<string> | undefined {
  const { accounts } = web;
  switch (caller) {
    case 'owner':
      return sessionOf(accounts, owner);
    case 'other':
    case 'admin':
      return sessionOf(accounts, caller);
    case 'reader':
      return tokenOf(accounts, owner, ['read']);
    case 'program':
      return programToken;
    case 'worker':
      return workerToken;
    case 'nobody':
      return undefined;
  }
}
