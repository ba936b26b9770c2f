import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startServer, startTidepool, type TestServer, temporaryFolder, tidepool } from '../support/server.ts';

/** A real server without VMs; its users are at browsers and at the command line. */
let server: TestServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let dataDir = '';
const config = { pools: [{ name: 'default', min: 0, max: 0 }] };
const firstPassword = (output: string): string | undefined =>
  /the administrator is admin, with the password (\S+)/.exec(output)?.[1];

before(async () => {
  folder = await temporaryFolder('accounts');
  dataDir = join(folder.path, 'data');
  await writeFile(join(folder.path, 'config.json'), JSON.stringify(config));
  server = await startServer(dataDir, ['--config', join(folder.path, 'config.json')]);
});
after(async () => {
  server.signal('SIGINT');
  assert.equal(await server.ended, 0, server.output());
  await folder.remove();
});

/** What the API says to a user: status and answer. */
async function api(method: string, path: string, cookie: string | undefined, body?: unknown) {
  const response = await fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: {
      origin: server.url,
      ...(cookie === undefined ? {} : { cookie }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, cookie: response.headers.getSetCookie()[0]?.split(';')[0], text };
}
const signIn = (name: string, password: string) => api('POST', '/session', undefined, { name, password });

test('the first administrator signs in with the password that the first start printed', async () => {
  const password = firstPassword(server.output()) ?? assert.fail(server.output());
  const { status, cookie } = await signIn('admin', password);
  assert.equal(status, 200);
  assert.equal((await api('GET', '/users', cookie)).status, 200);
  assert.equal((await signIn('admin', 'not the password')).status, 401);
});

test("one user's job is not there for another", async () => {
  const passwords = await Promise.all(
    ['ann', 'bob'].map(async (name) => {
      const { stdout } = await tidepool(dataDir, ['user', 'add', name, '--json']);
      return JSON.parse(stdout).password as string;
    }),
  );
  const [ann, bob] = await Promise.all([signIn('ann', passwords[0] ?? ''), signIn('bob', passwords[1] ?? '')]);
  const form = new FormData();
  form.set('script', new Blob(['print(1)']), 'test.py');
  const headers = { origin: server.url, cookie: ann.cookie ?? '' };
  const submitted = await fetch(`${server.url}/api/v1/jobs`, { method: 'POST', headers, body: form });
  assert.equal(submitted.status, 201);
  const { id, owner } = (await submitted.json()) as { id: string; owner: string };
  assert.equal(owner, 'ann');
  assert.equal((await api('GET', `/jobs/${id}`, ann.cookie)).status, 200);
  for (const path of [`/jobs/${id}`, `/jobs/${id}/logs`, `/jobs/${id}/files`]) {
    assert.equal((await api('GET', path, bob.cookie)).status, 404);
  }
  assert.equal((await api('POST', `/jobs/${id}/cancel`, bob.cookie)).status, 404);
  const seenByAdmin = await tidepool(dataDir, ['job', 'list', '--owner', 'ann', '--json']);
  assert.equal(JSON.parse(seenByAdmin.stdout)[0].id, id);
  assert.equal((await tidepool(dataDir, ['job', 'cancel', id])).code, 0);
});

test('a disabled user is out while they look on, and comes back only by signing in', async () => {
  const { stdout } = await tidepool(dataDir, ['user', 'add', 'cid', '--json']);
  const { password } = JSON.parse(stdout);
  const { cookie } = await signIn('cid', password);
  const stream = await fetch(`${server.url}/api/v1/events/stream`, { headers: { cookie: cookie ?? '' } });
  await tidepool(dataDir, ['user', 'disable', 'cid']);
  await assert.rejects(stream.text(), 'the connection is cut');
  assert.equal((await api('GET', '/account', cookie)).status, 401);
  assert.equal((await signIn('cid', password)).status, 401);
  await tidepool(dataDir, ['user', 'set', 'cid', '--enable']);
  assert.equal((await signIn('cid', password)).status, 200);
});

test('the password is printed by no later start, and accounts survive', async () => {
  server.signal('SIGINT');
  assert.equal(await server.ended, 0, server.output());
  server = await startServer(dataDir, ['--config', join(folder.path, 'config.json')]);
  assert.equal(firstPassword(server.output()), undefined);
  const who = await startTidepool(dataDir, ['whoami', '--json']).done;
  assert.equal(JSON.parse(who.stdout).signedInBy, 'file');
  assert.match((await tidepool(dataDir, ['user', 'list'])).stdout, /^cid +user +active/m);
});
