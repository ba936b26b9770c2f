import assert from 'node:assert/strict';
import { test } from 'node:test';
import { purgeEnded } from '../../src/accounts/context.ts';
import { identify } from '../../src/accounts/identity.ts';
import { changePassword, signIn, signOut } from '../../src/accounts/sessions.ts';
import { changeUser, resetPassword } from '../../src/accounts/users.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { addTestUser, hourMs, openTestAccounts, passwordOf, sessionOf, type TestAccounts, whoIs } from './support.ts';

const known = async (accounts: TestAccounts, secret: string) => {
  const identity = await identify(accounts, secret);
  if (identity === undefined) assert.fail('the session is not known');
  return identity;
};

test('a session that is used goes on, one that is not ends', async () => {
  const accounts = await openTestAccounts({ sessionIdleMs: hourMs, sessionMaxMs: 5 * hourMs });
  await addTestUser(accounts, 'ann');
  const secret = await sessionOf(accounts, 'ann');
  const idle = await sessionOf(accounts, 'ann');
  for (let i = 0; i < 3; i += 1) {
    await accounts.clock.advance(hourMs - 60_000);
    assert.equal(await whoIs(accounts, secret), 'ann user');
  }
  assert.equal(await whoIs(accounts, idle), undefined);
  await accounts.clock.advance(hourMs);
  assert.equal(await whoIs(accounts, secret), undefined);
});

test('however much it is used, it ends some time', async () => {
  const accounts = await openTestAccounts({ sessionIdleMs: hourMs, sessionMaxMs: 5 * hourMs });
  await addTestUser(accounts, 'ann');
  const secret = await sessionOf(accounts, 'ann');
  for (let i = 0; i < 9; i += 1) {
    await accounts.clock.advance(hourMs / 2);
    assert.equal(await whoIs(accounts, secret), 'ann user', `after ${i + 1} half hours`);
  }
  await accounts.clock.advance(hourMs / 2);
  assert.equal(await whoIs(accounts, secret), undefined);
  await purgeEnded(accounts);
});

test('looking whether it is still good is no use of it', async () => {
  const accounts = await openTestAccounts({ sessionIdleMs: hourMs });
  await addTestUser(accounts, 'ann');
  const secret = await sessionOf(accounts, 'ann');
  await accounts.clock.advance(hourMs - 1);
  assert.ok(await identify(accounts, secret, false));
  await accounts.clock.advance(1);
  assert.equal(await identify(accounts, secret, false), undefined);
});

test('signing out ends this session only', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const [one, other] = [await sessionOf(accounts, 'ann'), await sessionOf(accounts, 'ann')];
  await signOut(accounts, await known(accounts, one));
  assert.equal(await whoIs(accounts, one), undefined);
  assert.equal(await whoIs(accounts, other), 'ann user');
});

test('a new password ends all sessions, and who changed it goes on with a new one', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const [here, there] = [await sessionOf(accounts, 'ann'), await sessionOf(accounts, 'ann')];
  const identity = await known(accounts, here);
  const change = (current: string, next: string) =>
    changePassword(accounts, identity, { current, next, address: '127.0.0.1' });
  await assert.rejects(change('wrong', 'quite another one'), (error) => hasCode(error, 'unauthenticated'));
  await assert.rejects(change(passwordOf('ann'), 'short'), (error) => hasCode(error, 'invalid'));
  assert.equal(await whoIs(accounts, there), 'ann user', 'nothing has happened so far');
  const secret = await change(passwordOf('ann'), 'quite another one');
  assert.equal(await whoIs(accounts, secret ?? ''), 'ann user');
  for (const ended of [here, there]) assert.equal(await whoIs(accounts, ended), undefined);
  await assert.rejects(sessionOf(accounts, 'ann'), (error) => hasCode(error, 'unauthenticated'));
});

test('the current password cannot be guessed with a stolen session either', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const identity = await known(accounts, await sessionOf(accounts, 'ann'));
  const guess = (i: number) =>
    changePassword(accounts, identity, { current: `guess ${i}`, next: 'quite another one', address: '10.0.0.1' });
  for (let i = 0; i < 10; i += 1) await assert.rejects(guess(i), (error) => hasCode(error, 'unauthenticated'));
  await assert.rejects(guess(10), (error) => hasCode(error, 'exhausted'));
});

test('a sign-in with the old password that is on its way does not outlive the change', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const changed = Promise.withResolvers<void>();
  const slow = {
    ...accounts,
    passwords: {
      hash: (password: string) => accounts.passwords.hash(password),
      isOutdated: () => false,
      verify: async (password: string, hash: string | undefined) => {
        const isRight = await accounts.passwords.verify(password, hash);
        await changed.promise;
        return isRight;
      },
    },
  };
  const late = signIn(slow, { name: 'ann', password: passwordOf('ann'), address: '10.0.0.1' });
  await resetPassword(accounts, 'ann', 'quite another one');
  changed.resolve();
  await assert.rejects(late, (error) => hasCode(error, 'unauthenticated'));
});

test('who is disabled, deleted or no administrator any more is that from now on', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann', 'admin');
  const secret = await sessionOf(accounts, 'ann');
  await changeUser(accounts, 'ann', { role: 'user' });
  assert.equal(await whoIs(accounts, secret), 'ann user');
  await changeUser(accounts, 'ann', { state: 'disabled' });
  assert.equal(await whoIs(accounts, secret), undefined);
  await changeUser(accounts, 'ann', { state: 'active' });
  assert.equal(await whoIs(accounts, secret), undefined, 'a session that has ended does not come back');
  const again = await sessionOf(accounts, 'ann');
  await changeUser(accounts, 'ann', { state: 'deleted' });
  assert.equal(await whoIs(accounts, again), undefined);
});

test('a user has so many sessions and no more', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const secrets: string[] = [];
  for (let i = 0; i < 25; i += 1) {
    secrets.push(await sessionOf(accounts, 'ann'));
    await accounts.clock.advance(1_000);
  }
  const alive = await Promise.all(secrets.map((secret) => whoIs(accounts, secret)));
  assert.deepEqual(
    alive.map((who) => who !== undefined),
    secrets.map((_, i) => i >= 5),
  );
});
