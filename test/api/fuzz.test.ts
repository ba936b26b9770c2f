import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import fc, { type Arbitrary } from 'fast-check';
import { errorCodes } from '../../src/domain/errors.ts';
import { problemSchema } from '../../src/protocol/api.ts';
import { openTestWeb, type TestWeb } from '../accounts/server.ts';
import { addTestUser, openTestAccounts, passwordOf, sessionOf, tokenOf } from '../accounts/support.ts';
import { until } from '../support/poll.ts';
import { type Components, nastyText, nearly, type Schema } from './arbitrary.ts';

/**
 * Every operation of the OpenAPI document, with inputs from the document's own schemas, right and wrong: nothing breaks the
 * server, and every refusal is a problem document. `TIDEPOOL_SEED=N` does again what a failure tells of.
 */
const seed = Number(process.env.TIDEPOOL_SEED ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(process.env.TIDEPOOL_RUNS ?? 25);
const maxReadBytes = 64 * 1024;
/** A follower is left after this: what matters is how the answer begins. */
const followMs = 50;
/** An answer that is not whole by then is judged as it is. */
const answerLimitMs = 60_000;

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header' | 'cookie';
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

interface Sent {
  readonly caller: 'admin' | 'ann' | 'nobody' | 'junk';
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

interface Target {
  readonly web: TestWeb;
  readonly secrets: Readonly<Record<Sent['caller'], string | undefined>>;
  /** What is really there, by what stands before it in a path. */
  readonly names: Readonly<Record<string, readonly string[]>>;
}

const first = await openTarget();
const document = (await (await fetch(`${first.web.url}/api/openapi.json`)).json()) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Omit<Operation, 'method' | 'path'>>>>>;
  readonly components: { readonly schemas: Components };
};
await first.web[Symbol.asyncDispose]();
const { schemas } = document.components;
const operations: Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
);

for (const [index, operation] of operations.entries()) {
  test(`${operation.method} ${operation.path} (TIDEPOOL_SEED=${seed})`, async () => {
    const target = await openTarget();
    try {
      const property = fc.asyncProperty(sent(operation, target), (request) => check(target, operation, request));
      await fc.assert(property, { seed: seed + index, numRuns: runs, endOnFailure: true });
      assert.equal((await fetch(`${target.web.url}/api/v1/health`)).status, 200);
    } finally {
      await target.web[Symbol.asyncDispose]();
    }
  });
}

async function openTarget(): Promise<Target> {
  const web = await openTestWeb(await openTestAccounts({ signUp: true }), { legacyUpload: true });
  await addTestUser(web.accounts, 'ann');
  const jobs = [await web.addJob('ann'), await web.addJob('ann', true), await web.addJob('admin', true)];
  const { blobs, store } = web.context.jobs;
  await tokenOf(web.accounts, 'ann', ['read']);
  const token = (await store.accounts.tokens.list('ann', 1))[0]?.id ?? '';
  await blobs.put(Readable.from([Buffer.from('x')]), 1);
  await store.events.append({ atMs: 1, name: 'vm.launched', pool: 'default', vm: 'test-0000', text: '', data: {} });
  const secrets = {
    admin: await sessionOf(web.accounts, 'admin'),
    ann: await sessionOf(web.accounts, 'ann'),
    nobody: undefined,
    junk: 'tps_junk',
  };
  const names = {
    ...{ jobs: jobs.map(({ id }) => id), files: ['out.txt'], services: [await web.addService('ann')] },
    ...{ users: ['ann'], pools: ['default'], vms: ['test-0000'], tokens: [token] },
  };
  return { web, secrets, names };
}

/** Inputs that random ones would not hit upon. Files are texts here, or archives. */
const good: Readonly<Record<string, unknown>> = {
  'POST /api/v1/jobs': { script: 'print(1)', spec: { args: ['a'] } },
  'POST /api/v1/services': { spec: { name: 'mine', protocol: 'udp' }, file: ['def handler(request): return 1'] },
  'POST /upload': { userName: 'ann', file: 'print(1)' },
  'POST /api/v1/session': { name: 'ann', password: passwordOf('ann') },
  'POST /api/v1/signup': { name: 'new', password: 'quite another one' },
  'POST /api/v1/users': { name: 'new' },
  'PUT /api/v1/account/password': { current: passwordOf('ann'), next: 'quite another one' },
  'PUT /api/v1/users/{name}/password': {},
  'PUT /api/v1/services/{name}/load': { everyMs: 1_000 },
  'POST /api/v1/pools/{name}/scale': { desired: 1 },
};

function sent({ method, path: route, parameters = [], requestBody }: Operation, { names }: Target): Arbitrary<Sent> {
  const of = (where: Parameter['in']) => parameters.filter((parameter) => parameter.in === where);
  const all = Object.values(names).flat();
  const path = of('path').map(({ name }) => {
    const right = names[route.split(`/{${name}}`)[0]?.split('/').at(-1) ?? ''] ?? all;
    return [name, fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...right) }, fc.constantFrom(...all), nastyText)];
  });
  const query = of('query').map(({ name, schema }) => [name, nearly(schema, schemas)]);
  const headers = of('header').map(({ name }) => [
    name,
    fc.oneof(fc.constantFrom('1:0', '0', 'bytes=0-0', 'bytes=5-', 'key'), printable),
  ]);
  const content = Object.values(requestBody?.content ?? {})[0];
  const likely = `${method} ${route}` in good ? [fc.constant(good[`${method} ${route}`])] : [];
  return fc.record({
    caller: fc.constantFrom('admin', 'admin', 'admin', 'ann', 'ann', 'ann', 'nobody', 'junk'),
    path: fc.record(Object.fromEntries(path)) as Arbitrary<Record<string, string>>,
    query: fc.record(Object.fromEntries(query), { requiredKeys: [] }) as Arbitrary<Record<string, unknown>>,
    headers: fc.record(Object.fromEntries(headers), { requiredKeys: [] }) as Arbitrary<Record<string, string>>,
    body: content === undefined ? fc.constant(undefined) : fc.oneof(...likely, nearly(content.schema, schemas)),
  }) as Arbitrary<Sent>;
}

const printable = fc.stringMatching(/^[ -~]{0,40}$/);

async function check(target: Target, operation: Operation, request: Sent): Promise<void> {
  const answer = await ask(target, operation, request);
  const where = `${operation.method} ${operation.path} ${JSON.stringify(request)}: ${answer.status} ${answer.text.slice(0, 300)}`;
  assert.ok(answer.status < 500, where);
  const type = String(answer.headers['content-type'] ?? '').split(';')[0] ?? '';
  if (answer.status >= 400) {
    assert.equal(type, 'application/problem+json', where);
    const problem = problemSchema.parse(JSON.parse(answer.text));
    assert.ok(problem.code in errorCodes, where);
    assert.equal(errorCodes[problem.code as keyof typeof errorCodes].httpStatus, answer.status, where);
    return;
  }
  const documented =
    operation.responses[answer.status] ?? (answer.status === 206 || answer.status === 304 ? {} : undefined);
  assert.ok(documented !== undefined, `not documented: ${where}`);
  const types = Object.keys(documented.content ?? {});
  if (answer.text !== '' && types.length > 0 && type !== 'application/json') assert.ok(types.includes(type), where);
  if (type === 'application/json') JSON.parse(answer.text);
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

async function ask({ web, secrets }: Target, operation: Operation, request: Sent): Promise<Answer> {
  const path = operation.path.replaceAll(/\{([^}]+)\}/g, (_match, name: string) => encode(request.path[name] ?? ''));
  const query = Object.entries(request.query).map(([name, value]) => `${name}=${encode(asText(value))}`);
  const { type, bytes } = await encodedBody(operation, request.body);
  const secret = secrets[request.caller];
  const headers = {
    ...request.headers,
    ...(type === undefined ? {} : { 'content-type': type, 'content-length': String(bytes.length) }),
    ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
  };
  return send(`${web.url}${path}?${query.join('&')}`, operation.method, headers, bytes);
}

function send(url: string, method: string, headers: Record<string, string>, bytes: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { method, headers, agent: false }, (response) => {
      let text = '';
      const done = (): void => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        response.destroy();
      };
      const timer = setTimeout(
        done,
        response.headers['content-type'] === 'text/event-stream' ? followMs : answerLimitMs,
      );
      response.on('data', (chunk) => {
        text += String(chunk);
        if (text.length > maxReadBytes) done();
      });
      response.on('end', done).on('error', done);
    });
    outgoing.on('error', reject);
    outgoing.end(bytes);
  });
}

/** Lone surrogates have no form in an address. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

async function encodedBody({ requestBody }: Operation, body: unknown): Promise<{ type?: string; bytes: Buffer }> {
  const type = Object.keys(requestBody?.content ?? {})[0];
  if (type === undefined || body === undefined) return { bytes: Buffer.alloc(0) };
  if (type === 'application/json') return { type, bytes: Buffer.from(JSON.stringify(body)) };
  const form = new FormData();
  for (const [name, value] of Object.entries(typeof body === 'object' && body !== null ? body : { body })) {
    const isText = name === 'spec' || name === 'userName';
    if (isText) form.append(name, asText(value));
    else for (const one of [value].flat()) form.append(name, new Blob([asText(one)]), 'x.py');
  }
  const response = new Response(form);
  return { type: response.headers.get('content-type') ?? '', bytes: Buffer.from(await response.arrayBuffer()) };
}

let web: TestWeb;
before(async () => {
  web = await openTestWeb(await openTestAccounts());
});
after(() => web[Symbol.asyncDispose]());

test(`requests that are hardly HTTP (TIDEPOOL_SEED=${seed})`, async () => {
  const line = fc.constantFrom(
    'GET /api/v1/jobs HTTP/1.1',
    'POST /api/v1/jobs HTTP/1.1',
    'PUT / HTTP/1.0',
    'GET *',
    'x',
  );
  const header = fc.constantFrom(
    ...[
      'Host: 127.0.0.1',
      'Host: evil.example',
      'Host:',
      'Content-Length: -1',
      'Content-Length: 5',
      'Connection: close',
    ],
    ...['Transfer-Encoding: chunked', 'Content-Type: multipart/form-data; boundary=x', 'Expect: 100-continue'],
    ...['Upgrade: websocket', 'Cookie: tidepool_session=a; tidepool_session=b', 'Authorization: Basic x', 'A: \u0001'],
    ...['Origin: null', 'Range: bytes=-', 'Accept: text/html', `X: ${'y'.repeat(20_000)}`],
  );
  const body = fc.constantFrom('', '5\r\nhello\r\n0\r\n\r\n', '--x\r\n\r\n--x--', '\u0000', '{"a":1}');
  const property = fc.asyncProperty(line, fc.array(header, { maxLength: 6 }), body, async (start, headers, rest) => {
    await speak(`${[start, ...headers].join('\r\n')}\r\n\r\n${rest}`);
  });
  await fc.assert(property, { seed, numRuns: 2 * runs, endOnFailure: true });
  await until(
    async () => (await fetch(`${web.url}/api/v1/health`)).status,
    (status) => status === 200,
    20_000,
  );
});

test('passwords and secrets are in no answer', async () => {
  const secret = await sessionOf(web.accounts, 'admin');
  const headers = { authorization: `Bearer ${secret}` };
  for (const { method, path } of operations) {
    if (method !== 'GET' || path.includes('{') || path.includes('stream')) continue;
    const text = await (await fetch(web.url + path, { headers })).text();
    for (const hidden of [secret, passwordOf('admin'), 'password_hash', '$argon2'])
      assert.ok(!text.includes(hidden), `${path} tells ${hidden}`);
  }
});

/** Sends this and reads what comes; whatever that is, it is no 500. */
function speak(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(web.url);
    const socket = connect(Number(port), hostname);
    let answer = '';
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      // Node itself refuses a request without a host, and says nothing more.
      const hasBody = !/\r\n\r\n(0\r\n\r\n)?$/.test(answer);
      // What is left early may have half a head.
      const isWhole = answer.includes('\r\n\r\n');
      const isProblem =
        !isWhole || !hasBody || !/^HTTP\/1\.1 4/.test(answer) || /application\/problem\+json/i.test(answer);
      if (/^HTTP\/1\.1 5/.test(answer) || !isProblem)
        reject(new Error(`${JSON.stringify(text.slice(0, 300))}: ${answer}`));
      else resolve();
    };
    const timer = setTimeout(done, 100);
    socket.on('data', (chunk) => {
      answer += String(chunk);
    });
    socket.on('error', done).on('close', done);
    socket.write(Buffer.from(text, 'latin1'));
  });
}
