import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { craftZip } from '../../src/archive/craft.fake.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { problemSchema } from '../../src/protocol/api.ts';
import { openTestWeb, type TestWeb } from '../accounts/server.ts';
import { addTestUser, openTestAccounts, sessionOf, tokenOf } from '../accounts/support.ts';

let strict: TestWeb;
let legacy: TestWeb;
before(async () => {
  strict = await openTestWeb(await openTestAccounts());
  legacy = await openTestWeb(await openTestAccounts(), { legacyUpload: true, maxUploadBytes: 10_000 });
  for (const web of [strict, legacy]) for (const name of ['ann', 'ben']) await addTestUser(web.accounts, name);
});
after(async () => {
  await strict[Symbol.asyncDispose]();
  await legacy[Symbol.asyncDispose]();
});

type Field = readonly [name: string, value: string | Blob, fileName?: string];
const file: Field = ['file', new Blob(['print(1)']), 'old.py'];
const dataset: Field = ['dataset', new Blob([new Uint8Array(craftZip([{ name: 'a', content: 'x' }]))]), 'd.zip'];

function upload(web: TestWeb, fields: readonly Field[], headers: Record<string, string> = {}): Promise<Response> {
  const body = new FormData();
  for (const [name, value, fileName] of fields)
    if (typeof value === 'string') body.append(name, value);
    else body.append(name, value, fileName);
  return fetch(`${web.url}/upload`, { method: 'POST', body, headers, redirect: 'manual' });
}

async function refused(status: number, words: RegExp, asking: Promise<Response>): Promise<void> {
  const response = await asking;
  const problem = problemSchema.parse(await response.json());
  assert.equal(response.status, status, problem.detail);
  assert.match(problem.detail, words);
}

const bearer = async (web: TestWeb, name: string) => ({
  authorization: `Bearer ${await sessionOf(web.accounts, name)}`,
});
const newest = async (web: TestWeb) => (await web.context.jobs.store.jobs.list({ limit: 1 }))[0];

test('who is signed in uploads as in the earlier system, and is led to their jobs', async () => {
  const response = await upload(strict, [['userName', 'Ann'], file, dataset], await bearer(strict, 'ann'));
  assert.deepEqual([response.status, response.headers.get('location')], [303, '/job-status/ann']);
  const job = await newest(strict);
  assert.deepEqual([job?.owner, job?.spec.entrypoint, job?.spec.dataBlob !== null], ['ann', 'old.py', true]);
  const empty: Field = ['dataset', new Blob([]), ''];
  // Ids of one millisecond are in no order.
  await strict.accounts.clock.advance(1);
  assert.equal((await upload(strict, [file, empty], await bearer(strict, 'ann'))).status, 303);
  assert.equal((await newest(strict))?.spec.dataBlob, null, 'no dataset was chosen');
});

test("another's name is for administrators", async () => {
  await refused(403, /not the name/, upload(strict, [['userName', 'ben'], file], await bearer(strict, 'ann')));
  const asAdmin = await bearer(strict, 'admin');
  assert.equal((await upload(strict, [['userName', 'ben'], file], asAdmin)).headers.get('location'), '/job-status/ben');
  await refused(404, /no user "nobody"/, upload(strict, [['userName', 'nobody'], file], asAdmin));
  const reader = { authorization: `Bearer ${await tokenOf(strict.accounts, 'ann', ['read'])}` };
  await refused(403, /scope jobs/, upload(strict, [file], reader));
});

test('who is not signed in uploads only where the setting says so, for a user who is there', async () => {
  await refused(401, /sign in/, upload(strict, [['userName', 'ann'], file]));
  assert.equal((await upload(legacy, [['userName', 'ann'], file])).status, 303);
  assert.equal((await newest(legacy))?.owner, 'ann');
  await refused(404, /no user "carl"/, upload(legacy, [['userName', 'carl'], file]));
  await refused(404, /no user/, upload(legacy, [['userName', '../ann'], file]));
  await refused(400, /userName must come before the files/, upload(legacy, [file, ['userName', 'ann']]));
  await refused(400, /the part file is missing/, upload(legacy, [['userName', 'ann']]));
  await refused(400, /one file and one dataset/, upload(legacy, [['userName', 'ann'], file, file]));
  const big: Field = ['dataset', new Blob([new Uint8Array(10_001)]), 'd.zip'];
  await refused(413, /jobs.maxUploadBytes/, upload(legacy, [['userName', 'ann'], file, big]));
  const elsewhere = { origin: 'http://elsewhere.example' };
  await refused(403, /comes from/, upload(legacy, [['userName', 'ann'], file], elsewhere));
  await refused(401, /not known/, upload(legacy, [['userName', 'ann'], file], { authorization: 'Bearer wrong' }));
});

test('the status page is for its user and administrators; it runs nothing that a name may hold', async () => {
  const name = '<img src=x onerror=alert(1)>\u001b[2J"\'&';
  const { store } = strict.context.jobs;
  await store.jobs.insert(queuedJob({ id: 'xss', owner: 'ann', spec: { ...queuedJob().spec, name } }));
  const page = async (user: string, as: string) =>
    fetch(`${strict.url}/job-status/${user}`, { headers: await bearer(strict, as) });
  for (const as of ['ann', 'admin']) {
    const response = await page('ann', as);
    const html = await response.text();
    assert.equal(response.status, 200);
    assert.match(html, /&lt;img src=x onerror=alert\(1\)&gt;\?\[2J&quot;&#39;&amp;/);
    assert.ok(!/<img|<script|\u001b/.test(html));
    const policy = response.headers.get('content-security-policy') ?? '';
    assert.match(policy, /^default-src 'none'; style-src 'sha256-[\w+/]+='; base-uri 'none'; form-action 'none'/);
  }
  for (const [user, as] of [
    ['ann', 'ben'],
    ['nobody', 'ben'],
    ['nobody', 'admin'],
    ['%00', 'admin'],
  ] as const)
    await refused(404, /there is nothing at/, page(user, as));
  await refused(401, /sign in/, fetch(`${strict.url}/job-status/ann`));
  const first = await fetch(`${strict.url}/job-status/ann?limit=1`, { headers: await bearer(strict, 'ann') });
  assert.match(await first.text(), /<a href="\?cursor=xss">Older jobs<\/a>/);
});
