import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addUser, changeUser, ensureFirstAdmin, findUser, resetPassword, signUp } from '../../src/accounts/users.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { addTestUser, openTestAccounts, passwordOf, sessionOf, tokenOf, whoIs } from './support.ts';

test('the first administrator is made once', async () => {
  const accounts = await openTestAccounts();
  assert.equal(await whoIs(accounts, await sessionOf(accounts, 'admin')), 'admin admin');
  assert.equal(await ensureFirstAdmin(accounts, 'some other password'), undefined);
  assert.ok(await sessionOf(accounts, 'admin'), 'the password is still the first one');
  assert.equal(await accounts.store.count(), 1);
});

test('a name is taken in capitals too, and a taken name costs no hash', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const before = accounts.passwords.hashed;
  for (const name of ['ann', 'Ann', 'ANN']) {
    await assert.rejects(addTestUser(accounts, name), (error) => hasCode(error, 'conflict'));
  }
  assert.equal(accounts.passwords.hashed, before);
  const twice = ['bob', 'Bob'].map((name) => addTestUser(accounts, name));
  const results = await Promise.allSettled(twice);
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'also at the same time');
});

test('without a password one is made and told; with one nothing is told', async () => {
  const accounts = await openTestAccounts();
  const { madePassword } = await addUser(accounts, { name: 'ann', password: undefined, role: 'user' });
  assert.equal((await accounts.store.get('ann'))?.passwordHash, `v1:${madePassword}`);
  assert.equal(
    (await addUser(accounts, { name: 'bob', password: passwordOf('bob'), role: 'user' })).madePassword,
    null,
  );
  assert.match((await resetPassword(accounts, 'ann', undefined)) ?? '', /^.{23}$/);
  assert.equal(await resetPassword(accounts, 'ann', 'quite another one'), null);
  assert.ok(!accounts.lines.join('\n').includes(madePassword ?? '?'), 'no password is in the log');
});

test('sign-up is closed unless it is opened, and makes no administrators', async () => {
  const closed = await openTestAccounts();
  const wish = { name: 'ann', password: passwordOf('ann'), address: '10.0.0.1' };
  await assert.rejects(signUp(closed, wish), (error) => hasCode(error, 'forbidden'));
  const open = await openTestAccounts({ signUp: true, maxAccounts: 3 });
  assert.equal((await signUp(open, wish)).role, 'user');
  await signUp(open, { ...wish, name: 'bob' });
  await assert.rejects(signUp(open, { ...wish, name: 'cid' }), (error) => hasCode(error, 'exhausted'));
  await changeUser(open, 'bob', { state: 'deleted' });
  await assert.rejects(signUp(open, { ...wish, name: 'cid' }), (error) => hasCode(error, 'exhausted'));
});

test('who is deleted is not there any more, but the name is not free', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  await changeUser(accounts, 'ann', { state: 'deleted' });
  await assert.rejects(findUser(accounts, 'ann'), (error) => hasCode(error, 'not_found'));
  await assert.rejects(changeUser(accounts, 'ann', { state: 'active' }), (error) => hasCode(error, 'not_found'));
  await assert.rejects(resetPassword(accounts, 'ann', 'quite another one'), (error) => hasCode(error, 'not_found'));
  await assert.rejects(addTestUser(accounts, 'ann'), (error) => hasCode(error, 'conflict'));
});

test('the only administrator stays one', async () => {
  const accounts = await openTestAccounts();
  await assert.rejects(changeUser(accounts, 'admin', { role: 'user' }), (error) => hasCode(error, 'conflict'));
  await assert.rejects(changeUser(accounts, 'admin', { state: 'deleted' }), (error) => hasCode(error, 'conflict'));
  assert.ok(await sessionOf(accounts, 'admin'));
});

test('with ten thousand users everything is found as fast as with one', async () => {
  const accounts = await openTestAccounts();
  for (let i = 0; i < 10_000; i += 1) await addTestUser(accounts, `user-${i}`);
  assert.equal(await accounts.store.count(), 10_001);
  const few = await openTestAccounts();
  const crowds = [
    { of: accounts, secrets: [await sessionOf(accounts, 'user-9999'), await tokenOf(accounts, 'user-5000', ['read'])] },
    { of: few, secrets: [await sessionOf(few, 'admin'), await tokenOf(few, 'admin', ['read'])] },
  ].map((crowd) => ({ ...crowd, tookMs: [] as number[] }));
  // In turns, so that a machine that is slow for a while is so for both.
  for (let i = 0; i < 1_000; i += 1) {
    for (const { of, secrets, tookMs } of crowds) {
      const startedAtMs = performance.now();
      for (const secret of secrets) assert.ok(await whoIs(of, secret));
      tookMs.push(performance.now() - startedAtMs);
    }
  }
  const [manyMs = 0, oneMs = 0] = crowds.map(({ tookMs }) => tookMs.sort((a, b) => a - b)[tookMs.length / 2]);
  assert.ok(manyMs < 5 * oneMs, `${manyMs} ms to tell who asks among many, ${oneMs} ms among few`);
  let after: string | undefined;
  let seen = 0;
  do {
    const page = await accounts.store.list({ limit: 1_000, ...(after === undefined ? {} : { after }) });
    seen += page.length;
    after = page.at(-1)?.name;
  } while (after !== undefined);
  assert.equal(seen, 10_001);
});
