import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/agent/clock.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { emptyResult } from '../../src/domain/job.ts';
import { joinedHost } from '../../src/domain/worker.ts';
import type { AgentHealth } from '../../src/protocol/agent.ts';
import { type Link, openLink } from '../../src/worker/link.ts';
import { openTestWeb, type TestWeb } from '../accounts/server.ts';
import { openTestAccounts, sessionOf, tokenOf } from '../accounts/support.ts';
import { until } from '../support/poll.ts';

const limitMs = 20_000;
const instances = ['1', '2', '3'].map((digit) => digit.repeat(32));
const [first = '', second = '', third = ''] = instances;
const capacity = { cpus: 2, memoryBytes: 2 ** 30, diskBytes: 2 ** 33, slots: 256 };
const health: AgentHealth = {
  ...{ hostname: 'lab', version: '0', protocol: 1, bootId: 'boot', uptimeMs: 1, clockMs: 1 },
  ...{ runtimes: ['python'], capacity, runningAttempts: 0, isWarmingUp: false },
};

/** The real ends of the link: a server's, and a worker's before an agent that only says that it is well. */
async function world(t: TestContext) {
  const web = await openTestWeb(await openTestAccounts());
  t.after(() => web[Symbol.asyncDispose]());
  const token = await tokenOf(web.accounts, 'admin', ['worker']);
  const agent = createServer((request, response) => {
    // Held until the caller is gone.
    if (request.url === '/v1/attempts/held') return;
    if (request.url === '/v1/health') response.end(JSON.stringify(health));
    else if (request.method === 'GET' && request.url === '/v1/attempts') response.end('[]');
    else response.writeHead(404).end(JSON.stringify({ code: 'not_found', message: 'no such thing' }));
  });
  const join = (instance: string, fields: { name?: string; token?: string } = {}): Promise<Link> =>
    openLink({ url: web.url, token, name: 'lab', instance, agent, clock: systemClock, ...fields });
  return { web, token, join };
}

async function stateOf(web: TestWeb): Promise<string> {
  const [worker] = await web.workers.list();
  return worker === undefined ? 'none' : `${worker.vm.state} ${worker.isConnected ? 'connected' : 'away'}`;
}

const becomes = (web: TestWeb, wanted: string) =>
  until(
    () => stateOf(web),
    (state) => state === wanted,
    limitMs,
  );
const rejects = (made: Promise<unknown>, code: Parameters<typeof hasCode>[1], text: RegExp) =>
  assert.rejects(made, (error) => hasCode(error, code) && text.test(error.message));

test('a worker joins, is listed as it is, may come back, and is dismissed when it is to go', async (t) => {
  const { web, join } = await world(t);
  const link = await join(first);
  await becomes(web, 'ready connected');
  const [worker] = await web.workers.list();
  assert.equal(worker?.vm.name, 'joined-lab');
  assert.deepEqual(worker?.vm.capacity, capacity);
  assert.deepEqual(worker?.vm.runtimes, ['python']);

  link.destroy();
  assert.equal(await link.closed, 'lost');
  await becomes(web, 'away away');
  const again = await join(first);
  await becomes(web, 'ready connected');

  await web.workers.remove('lab', false);
  assert.equal(await again.closed, 'dismissed');
  assert.equal(await stateOf(web), 'none');
});

test('one with a job is given no more, and is dismissed when that has ended', async (t) => {
  const { web, join } = await world(t);
  const link = await join(first);
  await becomes(web, 'ready connected');
  const { store } = web.context.jobs;
  const job = await web.addJob('admin', false, 'joined-lab');
  await web.workers.remove('lab', false);
  assert.equal(await stateOf(web), 'draining connected');
  await web.workers.look();
  assert.equal(await stateOf(web), 'draining connected');
  await store.jobs.cancel(job.id, 1);
  await store.jobs.finish(job.id, 1, { state: 'cancelled', result: emptyResult, files: [], nowMs: 2 });
  await web.workers.look();
  assert.equal(await link.closed, 'dismissed');
});

test('one that stays away is given up; its jobs are the next process’s no more', async (t) => {
  const { web, join } = await world(t);
  const link = await join(first);
  await becomes(web, 'ready connected');
  const { store } = web.context.jobs;
  const job = await web.addJob('admin', false, 'joined-lab');
  link.destroy();
  await becomes(web, 'away away');
  // Another process of that name, perhaps on another machine, must wait until the first one cannot run the job any more.
  await rejects(join(second), 'unavailable', /jobs may still run/);
  assert.equal((await store.vms.get('joined-lab'))?.state, 'away');
  await web.accounts.clock.advance(132_500);
  await web.workers.look();
  assert.equal((await store.vms.get('joined-lab'))?.state, 'dead');
  await store.jobs.requeue(job.id, 1, 2);
  const next = await join(second);
  await becomes(web, 'ready connected');
  next.destroy();
  await becomes(web, 'away away');
  const { clock } = web.accounts;
  await clock.advance(132_000);
  await web.workers.look();
  assert.equal(await stateOf(web), 'away away');
  await clock.advance(2_000);
  await web.workers.look();
  assert.equal(await stateOf(web), 'dead away');
  await web.workers.look();
  assert.equal(await stateOf(web), 'none');
});

test('removed at once, its jobs are lost', async (t) => {
  const { web, join } = await world(t);
  const link = await join(first);
  await becomes(web, 'ready connected');
  const job = await web.addJob('admin', false, 'joined-lab');
  await web.workers.remove('lab', true);
  assert.equal(await stateOf(web), 'dead connected');
  await web.context.jobs.store.jobs.requeue(job.id, 1, 2);
  await web.workers.look();
  assert.equal(await link.closed, 'dismissed');
});

test('a worker’s token removes no worker that joined by another one', async (t) => {
  const { web, join } = await world(t);
  await join(first);
  await becomes(web, 'ready connected');
  const remove = async (token: string) =>
    (
      await fetch(`${web.url}/api/v1/workers/lab`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${token}` },
      })
    ).status;
  assert.equal(await remove(await tokenOf(web.accounts, 'admin', ['worker'])), 403);
  assert.equal(await stateOf(web), 'ready connected');
  assert.equal(await remove(await sessionOf(web.accounts, 'admin')), 204);
});

test('a worker of another protocol is refused with the reason', async (t) => {
  const { web } = await world(t);
  await rejects(web.workers.check('lab', first, undefined), 'invalid', /speaks protocol an older one, this server \d+/);
  await rejects(web.workers.check('lab', first, '999'), 'invalid', /speaks protocol 999/);
});

test('several at a time; another of the same name, and a name that is none, are refused', async (t) => {
  const { web, join } = await world(t);
  await join(first);
  await join(second, { name: 'other' });
  await until(
    () => web.workers.list(),
    (all) => all.every(({ vm }) => vm.state === 'ready') && all.length === 2,
    limitMs,
  );
  await rejects(join(third), 'conflict', /another worker named lab is connected/);
  for (const name of ['', 'Lab', 'a/b', '../x', 'x'.repeat(25), '-a']) {
    await rejects(join(third, { name }), 'invalid', /name of a worker/);
  }
  await rejects(join('x'), 'invalid', /instance/);
  assert.equal((await web.workers.list()).length, 2);
});

test('without a token of an administrator with the scope worker nobody joins; one that is revoked ends the link', async (t) => {
  const { web, token, join } = await world(t);
  const wrong = [await tokenOf(web.accounts, 'admin', ['read', 'jobs', 'services'])];
  await rejects(join(first, { token: 'tpt_nonsense' }), 'unauthenticated', /not known/);
  for (const other of wrong) await rejects(join(first, { token: other }), 'forbidden', /scope worker/);
  const link = await join(first);
  await becomes(web, 'ready connected');
  const tokens = await web.context.jobs.store.accounts.tokens.list('admin', 10);
  const own = tokens.find(({ scopes }) => scopes.includes('worker'));
  assert.ok(own !== undefined);
  const removed = await fetch(`${web.url}/api/v1/tokens/${own.id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${await sessionOf(web.accounts, 'admin')}` },
  });
  assert.equal(removed.status, 204);
  assert.equal(await link.closed, 'lost');
  await rejects(join(first, { token }), 'unauthenticated', /not known/);
});

test('a call on a link that is gone, and one while it goes, fail as of an agent that cannot be reached', async (t) => {
  const { web, join } = await world(t);
  const link = await join(first);
  await becomes(web, 'ready connected');
  const agent = { host: joinedHost, port: 0, keyId: first, key: new Uint8Array(0) };
  await rejects(web.link.report(agent, 'x'), 'not_found', /no such thing/);
  const under = web.link.report(agent, 'held');
  link.destroy();
  await rejects(under, 'unavailable', /cannot be reached/);
  await becomes(web, 'away away');
  await rejects(web.link.report(agent, 'x'), 'unavailable', /not connected/);
});
