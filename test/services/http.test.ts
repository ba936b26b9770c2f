import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { z } from 'zod';
import { problemSchema } from '../../src/protocol/api.ts';
import {
  deployedSchema,
  endpointListSchema,
  serviceListSchema,
  serviceLogSchema,
  serviceSchema,
} from '../../src/protocol/services.ts';
import { openTestWeb, type TestWeb } from '../accounts/server.ts';
import { openTestAccounts, sessionOf } from '../accounts/support.ts';

const good = 'def handler(request):\n    return 1\n';
let web: TestWeb;
let secret: string;
before(async () => {
  web = await openTestWeb(await openTestAccounts());
  secret = await sessionOf(web.accounts, 'admin');
  web.services.controller.start();
});
after(async () => {
  const stopped = web.services.controller.stop();
  await web.services.clock.advance(20_000);
  await stopped;
  await web[Symbol.asyncDispose]();
});

const ask = (
  method: string,
  path: string,
  init: { body?: FormData; headers?: Record<string, string>; signal?: AbortSignal } = {},
) =>
  fetch(`${web.url}/api/v1${path}`, {
    method,
    ...init,
    headers: { authorization: `Bearer ${secret}`, ...init.headers },
  });

async function json<T extends z.ZodType>(
  method: string,
  path: string,
  schema: T,
  body?: FormData,
): Promise<z.output<T>> {
  const response = await ask(method, path, body === undefined ? {} : { body });
  const value: unknown = await response.json();
  assert.ok(response.ok, JSON.stringify(value));
  return schema.parse(value);
}

async function refused(status: number, words: RegExp, method: string, path: string, body?: FormData): Promise<void> {
  const response = await ask(method, path, body === undefined ? {} : { body });
  const problem = problemSchema.parse(await response.json());
  assert.equal(response.status, status, problem.detail);
  assert.match(problem.detail, words);
}

function form(spec: unknown, files: Readonly<Record<string, string>> = { 'app.py': good }): FormData {
  const data = new FormData();
  if (spec !== undefined) data.set('spec', typeof spec === 'string' ? spec : JSON.stringify(spec));
  for (const [name, text] of Object.entries(files)) data.append('file', new Blob([text]), name);
  return data;
}

/** The events of a service, one after the other. */
async function events(name: string, signal: AbortSignal, headers: Record<string, string> = {}) {
  const response = await ask('GET', `/services/${name}/endpoints`, { signal, headers });
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const text = (response.body ?? assert.fail('no body')).pipeThrough(
    new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>,
  );
  const reader = text.pipeThrough(new EventSourceParserStream()).getReader();
  return async () => {
    const { value } = await reader.read();
    return { name: value?.event, data: JSON.parse(value?.data ?? 'null') as unknown, id: value?.id };
  };
}

test('a service is deployed, shown and listed', async () => {
  const { clock } = web.services;
  const body = form({ name: 'fib', settings: { max: 3 }, environment: { SECRET: 'x' } });
  const { service, revision } = await json('POST', '/services', deployedSchema, body);
  assert.equal(revision, 1);
  assert.deepEqual(
    [service.state, service.owner, service.address],
    ['starting', 'admin', { host: '127.0.0.1', port: 8_100 }],
  );
  await web.services.addVm('fib');
  await clock.advance(10_000);
  const shown = await json('GET', '/services/fib', serviceSchema);
  assert.deepEqual([shown.state, shown.reason, shown.current], ['serving', 'revision 1 serves from 1 VM', 1]);
  assert.deepEqual(
    [shown.settings, shown.vms],
    [
      { min: 1, max: 3, warm: 0, policies: [] },
      { all: 1, desired: 1 },
    ],
  );
  const quiet = { requests: 0, inFlight: 0, meanMs: null };
  assert.deepEqual(shown.stats, {
    ...{ endpoints: 1, ...quiet, failed: 0, waiting: 0 },
    vms: [{ vm: shown.stats.vms[0]?.vm, ...quiet }],
  });
  const [first] = shown.revisions;
  assert.deepEqual(
    [first?.state, first?.entry, first?.files],
    ['current', { kind: 'handler', file: 'app.py' }, ['app.py']],
  );
  assert.deepEqual(first?.environment, ['SECRET'], 'its value is shown to nobody');
  const { services } = await json('GET', '/services', serviceListSchema);
  assert.deepEqual(
    services.map(({ name }) => name),
    ['fib'],
  );
});

test('its endpoints are a list, and a stream of what changes', async () => {
  const { services } = web;
  const stream = new AbortController();
  const next = await events('fib', stream.signal);
  const first = { vm: 'fib-0000', host: '127.0.0.1', port: 9_001 };
  const second = { vm: 'fib-0001', host: '127.0.0.1', port: 9_011 };
  const begin = await next();
  assert.deepEqual([begin.name, begin.data], ['endpoints', [first]]);
  const event = { atMs: 1, pool: 'fib', vm: 'fib-0001', text: 'launching', data: {} };
  await services.store.events.append({ ...event, name: 'vm.launching' });
  await services.store.events.append({ ...event, name: 'vm.launching', pool: 'other', vm: 'other-0000' });
  await services.addVm('fib');
  await services.clock.advance(6_000);
  const launching = await next();
  assert.deepEqual([launching.name, launching.data], ['launching', { vm: 'fib-0001' }]);
  const added = await next();
  assert.deepEqual([added.name, added.data], ['added', second]);
  await services.moveVm('fib-0000', 'failed', 'it hangs');
  await services.store.events.append({ ...event, name: 'vm.failed', vm: 'fib-0000', data: { reason: 'it hangs' } });
  await services.clock.advance(1_000);
  const failed = await next();
  assert.deepEqual([failed.name, failed.data], ['failed', { vm: 'fib-0000', reason: 'it hangs' }]);
  const removed = await next();
  assert.deepEqual([removed.name, removed.data], ['removed', { ...first, reason: 'its VM is failed: it hangs' }]);
  stream.abort();

  const again = new AbortController();
  const resumed = await events('fib', again.signal, { 'last-event-id': launching.id ?? '' });
  assert.deepEqual((await resumed()).data, [second]);
  assert.deepEqual((await resumed()).name, 'failed', 'what was missed');
  again.abort();
  const response = await ask('GET', '/services/fib/endpoints', { headers: { accept: 'application/json' } });
  assert.deepEqual(endpointListSchema.parse(await response.json()), { endpoints: [second] });
});

test('its output is in lines, the newest last', async () => {
  web.services.running('fib-0001', 'fib-1').print('one\ntwo\nthree');
  const { lines } = await json('GET', '/services/fib/logs?tail=2', serviceLogSchema);
  assert.deepEqual(
    lines.map(({ vm, revision, text }) => [vm, revision, text]),
    [
      ['fib-0001', 1, 'two'],
      ['fib-0001', 1, 'three'],
    ],
  );
  await refused(404, /there is no VM fib-0007 that runs fib/, 'GET', '/services/fib/logs?vm=fib-0007');
  await refused(400, /tail/, 'GET', '/services/fib/logs?tail=0');
});

test('a revision that fails is shown with its traceback', async () => {
  await json('POST', '/services', deployedSchema, form({ name: 'fib' }, { 'app.py': "raise ValueError('no')\n" }));
  await web.services.clock.advance(10_000);
  const { state, reason, revisions } = await json('GET', '/services/fib', serviceSchema);
  assert.deepEqual([state, reason], ['serving', 'revision 1 serves from 1 VM']);
  assert.deepEqual([revisions[0]?.state, revisions[0]?.message], ['failed', 'on fib-0001: ValueError: no']);
  assert.match(revisions[0]?.traceback ?? '', /^Traceback /);
  web.services.running('fib-0001', 'fib-1').change({ traceback: 'Traceback: of a request' });
  await web.services.clock.advance(2_500);
  const { lastFailure } = await json('GET', '/services/fib', serviceSchema);
  assert.deepEqual(lastFailure, {
    ...{ vm: 'fib-0001', revision: 1, message: 'a request failed', traceback: 'Traceback: of a request' },
  });
});

test("a program of one's own with its files", async () => {
  const spec = { name: 'own', protocol: 'tcp', entry: { kind: 'command', argv: ['python3', 'server.py'] } };
  const { service } = await json(
    'POST',
    '/services',
    deployedSchema,
    form(spec, { 'server.py': 'x', 'data.json': '{}' }),
  );
  assert.deepEqual([service.protocol, service.revisions[0]?.files], ['tcp', ['server.py', 'data.json']]);
  await json('POST', '/services', deployedSchema, form(spec, {}));
});

test('a service is stopped, started, rolled back and deleted', async () => {
  assert.equal((await json('POST', '/services/own/stop', serviceSchema)).state, 'stopped');
  assert.equal((await json('POST', '/services/own/stop', serviceSchema)).state, 'stopped');
  assert.equal((await json('POST', '/services/own/start', serviceSchema)).state, 'starting');
  await refused(409, /no earlier revision of own/, 'POST', '/services/own/rollback');
  assert.equal((await json('DELETE', '/services/own', serviceSchema)).state, 'deleting');
  await web.services.clock.advance(2_000);
  await refused(404, /there is no service own/, 'GET', '/services/own');
});

test('what cannot be is refused in words', async () => {
  for (const [method, rest] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/stop'],
    ['POST', '/start'],
    ['POST', '/rollback'],
    ['GET', '/endpoints'],
    ['GET', '/logs'],
  ] as const)
    await refused(404, /there is no service none/, method, `/services/none${rest}`);
  const deploy = (status: number, words: RegExp, body: FormData) => refused(status, words, 'POST', '/services', body);
  const plain = await ask('POST', '/services', { headers: { 'content-type': 'application/json' } });
  assert.equal(plain.status, 400);
  await deploy(400, /the part spec is missing/, form(undefined));
  await deploy(400, /its part spec is not JSON/, form('{'));
  await deploy(400, /the part file is missing/, form({ name: 'x' }, {}));
  await deploy(400, /there is nothing named "prot" here/, form({ name: 'x', prot: 'udp' }));
  await deploy(400, /cannot be the name of a service/, form({ name: 'X' }));
  await deploy(409, /a pool of the configuration/, form({ name: 'default' }));
  await deploy(409, /port 8100 is taken by the service fib/, form({ name: 'x', port: 8_100 }));
  await deploy(400, /min/, form({ name: 'x', settings: { min: -1 } }));
  await deploy(
    413,
    /more than the allowed 1048576 bytes/,
    form({ name: 'x' }, { 'app.py': 'x'.repeat(1024 ** 2 + 1) }),
  );
  const strange = form({ name: 'x' });
  strange.set('other', 'y');
  await deploy(400, /there is no part named "other"/, strange);
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}.py`, 'x']));
  assert.ok([400, 413].includes((await ask('POST', '/services', { body: form({ name: 'x' }, many) })).status));
  await refused(404, /there is no service x/, 'GET', '/services/x');
});
