import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { identify } from '../../src/accounts/identity.ts';
import { changePassword, signOut } from '../../src/accounts/sessions.ts';
import { deleteToken } from '../../src/accounts/tokens.ts';
import { changeUser } from '../../src/accounts/users.ts';
import { until } from '../support/poll.ts';
import { openTestWeb } from './server.ts';
import { addTestUser, adminToken, hourMs, openTestAccounts, passwordOf, sessionOf, tokenOf } from './support.ts';

/** What goes on for long (followed logs and events, consoles) ends with the right to it. */
const web = await openTestWeb(await openTestAccounts());
after(() => web[Symbol.asyncDispose]());
const { accounts } = web;
let users = 0;

async function newUser(role: 'user' | 'admin' = 'user'): Promise<string> {
  users += 1;
  await addTestUser(accounts, `user-${users}`, role);
  return `user-${users}`;
}

const identityOf = async (secret: string) => {
  const identity = await identify(accounts, secret);
  if (identity === undefined) assert.fail('nobody');
  return identity;
};

/** Follows the events; resolves when the first bytes are here, `ended` when the connection is lost. */
async function follow(secret: string): Promise<{ ended: Promise<string>; isOpen(): boolean; leave(): void }> {
  const leaving = new AbortController();
  const headers = { authorization: `Bearer ${secret}` };
  const response = await fetch(`${web.url}/api/v1/events/stream`, { headers, signal: leaving.signal });
  assert.equal(response.status, 200);
  const reader = response.body?.getReader();
  if (reader === undefined) assert.fail('no body');
  await reader.read();
  let open = true;
  const drain = async (): Promise<string> => {
    for (;;) if ((await reader.read()).done) return 'end of stream';
  };
  const ended = drain()
    .catch((error: unknown) => String(error))
    .finally(() => {
      open = false;
    });
  return { ended, isOpen: () => open, leave: () => leaving.abort() };
}

test('disabling a user cuts off what goes on by session and by token, and nobody else', async () => {
  const [ann, bob] = [await newUser(), await newUser()];
  const theirs = [await follow(await sessionOf(accounts, ann)), await follow(await tokenOf(accounts, ann, ['read']))];
  const another = await follow(await sessionOf(accounts, bob));
  await changeUser(accounts, ann, { state: 'disabled' });
  await Promise.all(theirs.map(({ ended }) => ended));
  assert.equal(another.isOpen(), true);
  another.leave();
  await another.ended;
});

test('so do signing out, a new password, and deleting the token; other sessions and tokens go on', async () => {
  const ann = await newUser();
  const secrets = [
    await sessionOf(accounts, ann),
    await sessionOf(accounts, ann),
    await tokenOf(accounts, ann, ['read']),
  ];
  const [one, other, token] = await Promise.all(secrets.map(follow));
  if (one === undefined || other === undefined || token === undefined) assert.fail();
  await signOut(accounts, await identityOf(secrets[0] ?? ''));
  await one.ended;
  assert.equal(other.isOpen(), true);
  const passwords = { current: passwordOf(ann), next: 'quite another one', address: '127.0.0.1' };
  await changePassword(accounts, await identityOf(secrets[1] ?? ''), passwords);
  await other.ended;
  assert.equal(token.isOpen(), true);
  const [kept] = await accounts.store.tokens.list(ann, 1);
  await deleteToken(accounts, await identityOf(adminToken), kept?.id ?? '');
  await token.ended;
});

test('what expires ends within a minute', async () => {
  const ann = await newUser();
  const stream = await follow(await tokenOf(accounts, ann, ['read'], hourMs));
  for (let i = 0; i < 59; i += 1) await accounts.clock.advance(60_000);
  assert.equal(stream.isOpen(), true);
  for (let i = 0; i < 2; i += 1) await accounts.clock.advance(60_000);
  await stream.ended;
});

test('a console ends when its administrator is none any more', async () => {
  const ann = await newUser('admin');
  const headers = { authorization: `Bearer ${await sessionOf(accounts, ann)}` };
  const address = `${web.url.replace('http', 'ws')}/api/v1/vms/test-0000/console`;
  const socket = new WebSocket(address, { headers } as never);
  socket.binaryType = 'arraybuffer';
  await once(socket, 'open');
  socket.send('echo');
  const [message] = (await once(socket, 'message')) as [MessageEvent];
  assert.equal(Buffer.from(message.data).toString(), 'echo');
  const closed = once(socket, 'close');
  await changeUser(accounts, ann, { role: 'user' });
  await closed;
});

test('a console that is still being opened then is let go', async () => {
  const [asked, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const serial = new PassThrough();
  const openConsole = async (): Promise<PassThrough> => {
    asked.resolve();
    await opened.promise;
    return serial;
  };
  await using own = await openTestWeb(await openTestAccounts(), { openConsole });
  await addTestUser(own.accounts, 'ann', 'admin');
  const headers = { authorization: `Bearer ${await sessionOf(own.accounts, 'ann')}` };
  const address = `${own.url.replace('http', 'ws')}/api/v1/vms/test-0000/console`;
  const socket = new WebSocket(address, { headers } as never);
  const closed = once(socket, 'close');
  await asked.promise;
  await changeUser(own.accounts, 'ann', { role: 'user' });
  await closed;
  opened.resolve();
  await until(
    async () => serial.destroyed,
    (isGone) => isGone,
    60_000,
  );
});

test('requests that are over leave nothing behind', async () => {
  const ann = await newUser();
  const headers = { authorization: `Bearer ${await sessionOf(accounts, ann)}` };
  const before = accounts.clock.waiting;
  for (let i = 0; i < 50; i += 1) await (await fetch(`${web.url}/api/v1/account`, { headers })).text();
  // An answer may be read before the server has seen that it is out.
  await until(
    async () => accounts.clock.waiting,
    (waiting) => waiting <= before + 1,
    60_000,
  );
});
