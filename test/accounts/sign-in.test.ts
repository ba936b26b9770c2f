import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signIn } from '../../src/accounts/sessions.ts';
import { changeUser, resetPassword } from '../../src/accounts/users.ts';
import { hasCode, type TidepoolError } from '../../src/domain/errors.ts';
import { argon2idHasher, type Derive, owaspCosts } from '../../src/passwords/argon2id.ts';
import { addTestUser, openTestAccounts, passwordOf, sessionOf, whoIs } from './support.ts';

const refusal = async (attempt: Promise<unknown>): Promise<TidepoolError> => {
  const error = await attempt.then(
    () => assert.fail('it was let in'),
    (thrown: unknown) => thrown,
  );
  return error as TidepoolError;
};

test('who signs in is known by the secret of the session, which the server does not keep', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const typed = { name: 'Ann', password: passwordOf('ann'), address: '10.0.0.1' };
  const { secret } = await signIn(accounts, typed);
  assert.match(secret, /^tps_[A-Za-z0-9_-]{43}$/);
  assert.equal(await whoIs(accounts, secret), 'ann user');
  assert.equal(await whoIs(accounts, `${secret}x`), undefined);
  assert.notEqual(await sessionOf(accounts, 'ann'), secret, 'a new one each time');
  const rows = JSON.stringify([await accounts.store.get('ann'), accounts.lines]);
  assert.ok(!rows.includes(secret));
  assert.equal(await accounts.store.sessions.find(secret), undefined, 'it is found by its hash only');
});

test('unknown, wrong, disabled and deleted get the same answer after the same work', async () => {
  let computed = 0;
  const compute: Derive = async (password) => {
    computed += 1;
    return Buffer.alloc(32, password.length);
  };
  const counted = argon2idHasher(owaspCosts, compute);
  const opened = await openTestAccounts();
  const accounts = { ...opened, passwords: counted };
  for (const name of ['ann', 'bob', 'cid']) await addTestUser(accounts, name);
  await changeUser(accounts, 'bob', { state: 'disabled' });
  await changeUser(accounts, 'cid', { state: 'deleted' });
  const attempts = [
    { name: 'nobody', password: passwordOf('ann') },
    { name: 'not a name!', password: passwordOf('ann') },
    { name: '', password: '' },
    { name: 'ann', password: 'wrong' },
    { name: 'ann', password: '' },
    { name: 'bob', password: passwordOf('bob') },
    { name: 'cid', password: passwordOf('cid') },
  ];
  const seen = new Set<string>();
  for (const [i, attempt] of attempts.entries()) {
    computed = 0;
    const error = await refusal(signIn(accounts, { ...attempt, address: `10.0.0.${i}` }));
    seen.add(JSON.stringify([error.code, error.message, error.details, computed]));
  }
  assert.deepEqual([...seen], ['["unauthenticated","the name or the password is wrong",{},1]']);
});

test('too many wrong passwords are refused alike whether there is such an account or not', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const messages: string[][] = [];
  for (const name of ['ann', 'nobody']) {
    const errors: TidepoolError[] = [];
    for (let i = 0; i < 12; i += 1) {
      errors.push(await refusal(signIn(accounts, { name, password: 'wrong', address: `10.0.${name.length}.${i}` })));
    }
    messages.push(errors.map(({ code, message }) => `${code}: ${message}`));
  }
  assert.deepEqual(messages[0], messages[1]);
  assert.equal(messages[0]?.filter((message) => message.startsWith('exhausted')).length, 2);
  const before = accounts.passwords.verified;
  await refusal(signIn(accounts, { name: 'ann', password: passwordOf('ann'), address: '10.0.9.9' }));
  assert.equal(accounts.passwords.verified, before, 'and costs nothing');
  await accounts.clock.advance(60_000);
  assert.ok(await sessionOf(accounts, 'ann', '10.0.9.9'));
});

test('a thousand tries at once are no way around the limit', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const tries = Array.from({ length: 1_000 }, (_, i) =>
    signIn(accounts, { name: 'ann', password: `guess ${i}`, address: `10.${i >> 8}.${i & 255}.1` }),
  );
  const results = await Promise.allSettled(tries);
  assert.ok(results.every(({ status }) => status === 'rejected'));
  assert.equal(accounts.passwords.verified, 10);
});

test('right passwords are never throttled, and a full house takes nobody their tries', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  for (let i = 0; i < 100; i += 1) await sessionOf(accounts, 'ann');
  const opened = Promise.withResolvers<void>();
  const held: Derive = async () => {
    await opened.promise;
    return Buffer.alloc(32);
  };
  const busy = { ...accounts, passwords: argon2idHasher(owaspCosts, held) };
  const crowd = Array.from({ length: 200 }, (_, i) =>
    signIn(busy, { name: `user-${i}`, password: 'x', address: `10.1.${i}.1` }).catch((error: unknown) => error),
  );
  await new Promise((resolve) => setImmediate(resolve));
  opened.resolve();
  const refused = (await Promise.all(crowd)).filter((error) => hasCode(error, 'exhausted'));
  assert.equal(refused.length, 200 - 66);
  for (const error of refused) assert.match((error as Error).message, /being checked/);
  assert.ok(await sessionOf(accounts, 'ann'));
});

test('a hash of earlier settings is replaced when its password is typed', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  const before = await sessionOf(accounts, 'ann');
  accounts.passwords.settings = 'v2';
  await sessionOf(accounts, 'ann');
  assert.equal((await accounts.store.get('ann'))?.passwordHash, `v2:${passwordOf('ann')}`);
  assert.equal(await whoIs(accounts, before), 'ann user', 'sessions stay');
});

test('passwords are the same however their letters are composed', async () => {
  const accounts = await openTestAccounts();
  await addTestUser(accounts, 'ann');
  await resetPassword(accounts, 'ann', 'cafe\u0301 au lait');
  assert.ok(await signIn(accounts, { name: 'ann', password: 'caf\u00e9 au lait', address: '10.0.0.1' }));
});
