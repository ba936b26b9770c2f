import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { deployedSchema } from '../../src/protocol/services.ts';
import { form, openTestApi, type TestApi } from './support.ts';

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

interface OpenApi {
  readonly openapi: string;
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

let api: TestApi;
let document: OpenApi;
before(async () => {
  api = await openTestApi();
  document = (await (await fetch(`${api.web.url}/api/openapi.json`)).json()) as OpenApi;
});
after(() => api[Symbol.asyncDispose]());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ route: `${method.toUpperCase()} ${path}`, operation })),
  );
const of = (route: string): Operation =>
  operations().find((one) => one.route === route)?.operation ?? assert.fail(`no ${route}`);

test('every route but the documents, the console, the link of workers and pages is in the document', () => {
  const written = operations().map(({ route }) => route.replaceAll(/\{(\w+)\}/g, ':$1').replace(':*', '*'));
  const all = api.web.routes.filter((route) => !/ \/(api\/(docs|openapi)|job-status)|\/(console|link)$/.test(route));
  assert.deepEqual(written.map(plain).sort(), all.map(plain).sort());
  assert.equal(document.openapi, '3.1.0');
});

/** How a wildcard is written does not matter. */
const plain = (route: string): string => route.replace(/\{?\*\}?$/, '*');

test('every operation says what it does, by which name, of which group, and who may', () => {
  const names = new Set<string>();
  const groups = new Set(document.tags.map(({ name }) => name));
  for (const { route, operation } of operations()) {
    const { operationId = '', summary = '', tags = [], security, responses, description = '' } = operation;
    assert.match(operationId, /^[a-z][A-Za-z]+$/, route);
    assert.ok(!names.has(operationId), `${operationId} twice`);
    names.add(operationId);
    assert.match(summary, /^[A-Z].{3,90}[^.]$/, route);
    assert.ok(tags.length === 1 && groups.has(tags[0] ?? ''), `${route}: ${tags}`);
    assert.ok(security !== undefined, route);
    assert.match(description, /(For everybody|For administrators|By a token|By a session)/, route);
    assert.ok(responses.default?.content?.['application/problem+json'] !== undefined, `${route} has no errors`);
    assert.ok(
      Object.keys(responses).some((status) => /^[23]/.test(status)),
      `${route} has no answer`,
    );
  }
});

test('who may use an operation is told by scheme and scope', () => {
  assert.deepEqual(of('GET /api/v1/health').security, []);
  assert.deepEqual(of('GET /api/v1/jobs').security, [{ session: [] }, { token: ['read'] }]);
  assert.deepEqual(of('POST /api/v1/jobs').security, [{ session: [] }, { token: ['jobs'] }]);
  assert.deepEqual(of('POST /api/v1/users').security, [{ session: [] }, { token: ['admin'] }]);
  assert.deepEqual(of('POST /api/v1/tokens').security, [{ session: [] }]);
});

test('forms, streams and headers are in it', () => {
  const submit = of('POST /api/v1/jobs');
  assert.deepEqual(Object.keys(submit.requestBody?.content ?? {}), ['multipart/form-data']);
  assert.ok(submit.parameters?.some(({ name, in: where }) => name === 'idempotency-key' && where === 'header'));
  const logs = of('GET /api/v1/jobs/{id}/logs');
  assert.deepEqual(Object.keys(logs.responses['200']?.content ?? {}), ['text/event-stream']);
  assert.ok(logs.parameters?.some(({ name }) => name === 'last-event-id'));
});

test('the pages fetch nothing from elsewhere and may run no script but their own', async () => {
  const index = await fetch(`${api.web.url}/api/docs/`);
  const policy = index.headers.get('content-security-policy') ?? '';
  assert.match(policy, /default-src 'none'; script-src 'self';/);
  assert.ok(!/https?:|\*/.test(policy), policy);
  const html = await index.text();
  for (const [, link = ''] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
    assert.match(link, /^\.\/static\//);
    const file = await fetch(new URL(link, `${api.web.url}/api/docs/`));
    assert.equal(file.status, 200, link);
    await file.body?.cancel();
  }
});

test('a deployment with a key makes one revision', async () => {
  const deploy = (spec: string) =>
    api.ask('POST', '/services', {
      body: form({ spec, file: ['app.py', 'def handler(request): return 1'] }),
      headers: { 'idempotency-key': 'k' },
    });
  const spec = '{"name":"once","protocol":"udp"}';
  const answers = await Promise.all([deploy(spec), deploy(spec), deploy(spec)]);
  const revisions = await Promise.all(
    answers.map(async (answer) => deployedSchema.parse(await answer.json()).revision),
  );
  assert.deepEqual(revisions, [1, 1, 1]);
  assert.equal((await deploy('{"name":"other","protocol":"udp"}')).status, 409);
  await api.refused(404, 'GET', '/services/other');
});
