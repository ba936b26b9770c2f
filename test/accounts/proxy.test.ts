import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask } from './ask.ts';
import { openTestWeb } from './server.ts';
import { addTestUser, openTestAccounts, passwordOf } from './support.ts';

/** Behind a proxy that ends HTTPS: what it says is believed if it is ours, and of nobody else. */
const forwarded = {
  'x-forwarded-host': 'pool.example',
  'x-forwarded-proto': 'https',
  origin: 'https://pool.example',
};
const credentials = { name: 'ann', password: passwordOf('ann') };

test('over HTTPS the cookie is for HTTPS only', async () => {
  const settings = { trustedProxies: ['127.0.0.1'], allowedHosts: ['pool.example'] };
  await using web = await openTestWeb(await openTestAccounts(), settings);
  await addTestUser(web.accounts, 'ann');
  const answer = await ask(`${web.url}/api/v1/session`, 'POST', forwarded, credentials);
  assert.equal(answer.status, 200);
  const [cookie = ''] = answer.headers['set-cookie'] ?? [];
  assert.match(cookie, /^__Host-tidepool_session=tps_\S+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict; Secure$/);
  const [pair = ''] = cookie.split(';');
  const who = await ask(`${web.url}/api/v1/account`, 'GET', { ...forwarded, cookie: pair });
  assert.equal(who.status, 200);
  const plain = await ask(`${web.url}/api/v1/account`, 'GET', { cookie: pair });
  assert.equal(plain.status, 401);
});

test('each client behind the proxy has tries of its own', async () => {
  await using web = await openTestWeb(await openTestAccounts(), { trustedProxies: ['127.0.0.1'] });
  const attempt = async (client: string, i: number): Promise<number> => {
    const headers = { 'x-forwarded-for': client };
    return (await ask(`${web.url}/api/v1/session`, 'POST', headers, { name: `user-${i}`, password: 'wrong' })).status;
  };
  for (let i = 0; i < 50; i += 1) assert.equal(await attempt('192.0.2.1', i), 401);
  assert.equal(await attempt('192.0.2.1', 50), 429);
  assert.equal(await attempt('192.0.2.2', 51), 401);
});

test('who is no proxy of ours cannot change its address, host or scheme by saying so', async () => {
  await using web = await openTestWeb(await openTestAccounts(), { allowedHosts: ['pool.example'] });
  await addTestUser(web.accounts, 'ann');
  const answer = await ask(`${web.url}/api/v1/session`, 'POST', forwarded, credentials);
  assert.equal(answer.status, 403);
  assert.match(answer.detail, /trustedProxies/);
  const statuses = new Set<number>();
  for (let i = 0; i < 51; i += 1) {
    const headers = { 'x-forwarded-for': `192.0.2.${i}` };
    const wrong = { name: `user-${i}`, password: 'wrong' };
    statuses.add((await ask(`${web.url}/api/v1/session`, 'POST', headers, wrong)).status);
  }
  assert.deepEqual([...statuses], [401, 429]);
});
