import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ask } from './ask.ts';
import { openTestWeb } from './server.ts';
import { addTestUser, openTestAccounts, sessionOf, tokenOf } from './support.ts';

/** What lists show and what changes of many things reach; single things are in the access matrix. */
const web = await openTestWeb(await openTestAccounts());
after(() => web[Symbol.asyncDispose]());
const { accounts } = web;
for (const name of ['ann', 'bob']) await addTestUser(accounts, name);
for (const name of ['ann', 'ann', 'bob', 'admin']) await web.addJob(name);
const as = {
  ann: await sessionOf(accounts, 'ann'),
  bob: await sessionOf(accounts, 'bob'),
  admin: await sessionOf(accounts, 'admin'),
  adminWithoutScope: await tokenOf(accounts, 'admin', ['jobs']),
};

async function get(path: string, secret: string) {
  const answer = await ask(`${web.url}/api/v1${path}`, 'GET', { authorization: `Bearer ${secret}` });
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}
const owners = async (query: string, secret: string): Promise<string[]> =>
  (await get(`/jobs${query}`, secret)).jobs.map(({ owner }: { owner: string }) => owner).sort();

test('a list of jobs has their own; an administrator sees all, or those of one', async () => {
  assert.deepEqual(await owners('', as.ann), ['ann', 'ann']);
  assert.deepEqual(await owners('?owner=ann', as.ann), ['ann', 'ann']);
  assert.deepEqual(await owners('?owner=Ann', as.ann), ['ann', 'ann']);
  assert.deepEqual(await owners('', as.admin), ['admin', 'ann', 'ann', 'bob']);
  assert.deepEqual(await owners('?owner=bob', as.admin), ['bob']);
  assert.deepEqual(await owners('', as.adminWithoutScope), ['admin']);
});

test("another's name in a filter shows as little as a name that nobody has", async () => {
  const lists = await Promise.all(
    ['ann', 'nobody', 'admin', "' or 1=1 --"].map((name) => get(`/jobs?owner=${encodeURIComponent(name)}`, as.bob)),
  );
  for (const list of lists) assert.deepEqual(list, { jobs: [], nextCursor: null });
});

test('pages stay within their own jobs', async () => {
  const first = await get('/jobs?limit=1', as.ann);
  const second = await get(`/jobs?limit=9&cursor=${first.nextCursor}`, as.ann);
  assert.deepEqual(
    [first, second].flatMap(({ jobs }) => jobs.map(({ owner }: { owner: string }) => owner)),
    ['ann', 'ann'],
  );
});

test('on VMs they see their own jobs only', async () => {
  const jobs = async (secret: string): Promise<string[]> =>
    (await get('/vms', secret)).vms.flatMap((vm: { jobs: string[] }) => vm.jobs).map((id: string) => id.split('-')[0]);
  assert.deepEqual(await jobs(as.bob), ['bob']);
  assert.equal((await jobs(as.admin)).length, 4);
});

test("cancelling many reaches nobody else's", async () => {
  const all = await accounts.root.jobs.list({ limit: 9 });
  const headers = { authorization: `Bearer ${as.bob}` };
  const ids = all.map(({ id }) => id);
  await ask(`${web.url}/api/v1/jobs/cancel`, 'POST', headers, { ids });
  const cancelled = (await accounts.root.jobs.list({ limit: 9 })).filter(({ cancelRequested }) => cancelRequested);
  assert.deepEqual(
    cancelled.map(({ owner }) => owner),
    ['bob'],
  );
});
