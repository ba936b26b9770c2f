import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Identity, identify, isAdmin } from '../../src/accounts/identity.ts';
import { secretHash } from '../../src/accounts/secrets.ts';
import { deleteToken, listTokens, makeToken } from '../../src/accounts/tokens.ts';
import { changeUser, resetPassword } from '../../src/accounts/users.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { addTestUser, adminToken, hourMs, openTestAccounts, tokenOf, whoIs } from './support.ts';

const page = { limit: 100 };

const user = (name: string, role: 'user' | 'admin' = 'user'): Identity => ({
  name,
  role,
  signedInBy: 'session',
  scopes: null,
  hash: '',
});
const wish = { name: 'CI', scopes: ['jobs'], expiresInMs: hourMs } as const;

test('a token is shown once, is kept as a hash, and is good until it expires', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const { secret, token } = await makeToken(accounts, user('ann'), wish);
  assert.match(secret, /^tpt_[A-Za-z0-9_-]{43}$/);
  assert.ok(
    !JSON.stringify([token, await listTokens(accounts, user('ann'), undefined, page), accounts.lines]).includes(secret),
  );
  assert.equal(await whoIs(accounts, secret), 'ann user');
  await accounts.clock.advance(hourMs - 1);
  assert.equal(await whoIs(accounts, secret), 'ann user');
  await accounts.clock.advance(1);
  assert.equal(await whoIs(accounts, secret), undefined);
});

test('its use is noted to the minute, not with every request', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const { secret, token } = await makeToken(accounts, user('ann'), wish);
  const used = async (): Promise<number | null | undefined> => (await accounts.store.tokens.get(token.id))?.usedAtMs;
  assert.equal(await used(), null);
  const firstMs = accounts.clock.now();
  await whoIs(accounts, secret);
  await accounts.clock.advance(59_999);
  await whoIs(accounts, secret);
  assert.equal(await used(), firstMs);
  await accounts.clock.advance(1);
  await whoIs(accounts, secret);
  assert.equal(await used(), firstMs + 60_000);
});

test('it does what its scopes say, and never more than its owner may', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  await addTestUser(accounts, 'root', 'admin');
  await assert.rejects(makeToken(accounts, user('ann'), { ...wish, scopes: ['admin'] }), (error) =>
    hasCode(error, 'forbidden'),
  );
  const ruling = await tokenOf(accounts, 'root', ['admin']);
  const working = await tokenOf(accounts, 'root', ['jobs', 'services', 'read']);
  const rules = async (secret: string): Promise<boolean | undefined> => {
    const identity = await identify(accounts, secret);
    return identity && isAdmin(identity);
  };
  assert.equal(await rules(ruling), true);
  assert.equal(await rules(working), false, 'an administrator without the scope sees what a user sees');
  await changeUser(accounts, 'root', { role: 'user' });
  assert.equal(await rules(ruling), false);
});

test('who is disabled has no tokens that work; deleted, none at all; a new password leaves them', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const secret = await tokenOf(accounts, 'ann', ['read']);
  await resetPassword(accounts, 'ann', 'quite another one');
  assert.equal(await whoIs(accounts, secret), 'ann user');
  await changeUser(accounts, 'ann', { state: 'disabled' });
  assert.equal(await whoIs(accounts, secret), undefined);
  await changeUser(accounts, 'ann', { state: 'active' });
  assert.equal(await whoIs(accounts, secret), 'ann user');
  await changeUser(accounts, 'ann', { state: 'deleted' });
  assert.deepEqual(await listTokens(accounts, user('admin', 'admin'), 'ann', page), []);
});

test('tokens of others are neither seen nor deleted, but by administrators', async () => {
  const accounts = await openTestAccounts();
  for (const name of ['ann', 'bob']) await addTestUser(accounts, name);
  const { token } = await makeToken(accounts, user('ann'), wish);
  const seen = async (who: Identity, owner?: string) =>
    (await listTokens(accounts, who, owner, page)).map(({ account }) => account);
  assert.deepEqual(await seen(user('bob')), []);
  assert.deepEqual(await seen(user('bob'), 'ann'), []);
  assert.deepEqual(await seen(user('ann'), 'Ann'), ['ann']);
  assert.deepEqual(await seen(user('admin', 'admin')), ['ann']);
  assert.deepEqual(await seen(user('admin', 'admin'), 'no name!'), []);
  for (const id of [token.id, 'unknown']) {
    await assert.rejects(deleteToken(accounts, user('bob'), id), (error) => hasCode(error, 'not_found'));
  }
  await deleteToken(accounts, user('admin', 'admin'), token.id);
  assert.deepEqual(await seen(user('ann')), []);
});

test('an account has so many tokens and no more', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  for (let i = 0; i < 50; i += 1) await makeToken(accounts, user('ann'), wish);
  await assert.rejects(makeToken(accounts, user('ann'), wish), (error) => hasCode(error, 'conflict'));
});

test('the admin token of the data folder is the first administrator, whatever becomes of the account', async () => {
  const accounts = await openTestAccounts();
  assert.equal(await whoIs(accounts, adminToken), 'admin admin');
  await addTestUser(accounts, 'root', 'admin');
  await changeUser(accounts, 'admin', { state: 'disabled' });
  assert.equal(await whoIs(accounts, adminToken), 'admin admin');
  const empty = { ...accounts, adminTokenHash: secretHash('') };
  assert.equal(await identify(empty, ''), undefined, 'nothing matches nothing');
  for (const wrong of ['', adminToken.slice(1), `${adminToken} `, adminToken.toUpperCase()]) {
    assert.equal(await whoIs(accounts, wrong), undefined);
  }
});
