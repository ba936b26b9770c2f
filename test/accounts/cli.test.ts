import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { type CommandResult, temporaryFolder } from '../support/server.ts';
import { openTestWeb } from './server.ts';
import { addTestUser, adminToken, openTestAccounts, passwordOf, sessionOf, whoIs } from './support.ts';

const web = await openTestWeb(await openTestAccounts());
after(() => web[Symbol.asyncDispose]());
const { accounts } = web;
const folder = await temporaryFolder('cli');
after(() => folder.remove());
await addTestUser(accounts, 'ann');
const loginFile = join(folder.path, 'tidepool', 'login.json');

/** Runs `./tidepool ARGS` as a user whose state is in a folder of the test's own. */
async function tidepool(args: string[], env: Record<string, string> = {}, input?: string): Promise<CommandResult> {
  const { TIDEPOOL_URL: _url, TIDEPOOL_TOKEN: _token, TIDEPOOL_DATA_DIR: _dir, ...inherited } = process.env;
  const child = spawn('./tidepool', args, { env: { ...inherited, XDG_STATE_HOME: folder.path, ...env } });
  // Without an input there is an end of it.
  child.stdin.end(input);
  const closed = once(child, 'close');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: Number((await closed)[0]), stdout, stderr };
}
const asAdmin = { TIDEPOOL_URL: web.url, TIDEPOOL_TOKEN: adminToken };
const succeeded = (result: CommandResult): string => {
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.trim();
};

test('a user signs in, is known, changes the password and signs out', async () => {
  const typed = await tidepool(['login', web.url, '--user', 'ann'], {}, `${passwordOf('ann')}\n`);
  assert.equal(succeeded(typed), `signed in to ${web.url} as ann (user)`);
  assert.equal((await stat(loginFile)).mode & 0o777, 0o600);
  assert.equal(succeeded(await tidepool(['whoami'])), `ann (user) at ${web.url}, signed in`);
  const passwords = `${passwordOf('ann')}\nquite another one\n`;
  succeeded(await tidepool(['user', 'password'], {}, passwords));
  assert.match(succeeded(await tidepool(['whoami'])), /^ann \(user\)/, 'it goes on with the new session');
  succeeded(await tidepool(['logout']));
  await assert.rejects(stat(loginFile));
  assert.equal((await tidepool(['logout'])).code, 2);
});

test('a wrong password, no password and no server are told apart, without a trace of ours', async () => {
  const wrong = await tidepool(['login', web.url, '--user', 'ann'], { TIDEPOOL_PASSWORD: 'wrong' });
  assert.deepEqual([wrong.code, wrong.stderr], [77, 'tidepool: the name or the password is wrong\n']);
  const none = await tidepool(['login', web.url, '--user', 'ann']);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /^tidepool: no password of ann at \S+: set TIDEPOOL_PASSWORD, or .*\n$/);
  const nobody = await tidepool(['login', 'http://127.0.0.1:9', '--user', 'ann'], { TIDEPOOL_PASSWORD: 'x' });
  assert.equal(nobody.code, 69);
  const odd = await tidepool(['login', 'file:///etc/passwd', '--user', 'ann'], { TIDEPOOL_PASSWORD: 'x' });
  assert.equal(odd.code, 2);
});

test('an administrator adds, lists, changes and deletes users', async () => {
  const added = succeeded(await tidepool(['user', 'add', 'bob'], asAdmin));
  const password = /^bob \(user\), password (\S+) \(told this once\)$/.exec(added)?.[1] ?? '';
  const account = await accounts.store.get('bob');
  assert.equal(account?.passwordHash, `v1:${password}`);
  const chosen = await tidepool(
    ['user', 'add', 'cid', '--role', 'admin', '--password-stdin'],
    asAdmin,
    `${passwordOf('cid')}\n`,
  );
  assert.equal(succeeded(chosen), 'cid (admin)');
  assert.ok(await sessionOf(accounts, 'cid'));
  assert.equal(succeeded(await tidepool(['user', 'disable', 'bob'], asAdmin)), 'bob (user), disabled');
  assert.match(succeeded(await tidepool(['user', 'list'], asAdmin)), /^bob +user +disabled/m);
  const set = await tidepool(['user', 'set', 'bob', '--enable', '--role', 'admin', '--json'], asAdmin);
  assert.deepEqual([JSON.parse(succeeded(set)).role, JSON.parse(set.stdout).disabled], ['admin', false]);
  assert.match(
    succeeded(await tidepool(['user', 'password', 'bob'], asAdmin)),
    /^bob: the password is set, password \S+ /,
  );
  assert.equal(succeeded(await tidepool(['user', 'delete', 'bob'], asAdmin)), 'bob: deleted');
  assert.equal((await tidepool(['user', 'delete', 'bob'], asAdmin)).code, 66);
});

test('a token is made for a script, listed, and deleted', async () => {
  const args = ['token', 'create', '--name', 'CI', '--scope', 'read', '--scope', 'jobs', '--expires', '1d'];
  const secret = succeeded(await tidepool(args, asAdmin));
  assert.equal(await whoIs(accounts, secret), 'admin admin');
  const who = succeeded(await tidepool(['whoami'], { ...asAdmin, TIDEPOOL_TOKEN: secret }));
  assert.equal(who, `admin (admin) at ${web.url}, by a token for read, jobs`);
  const more = await tidepool(['token', 'list'], { ...asAdmin, TIDEPOOL_TOKEN: secret });
  assert.deepEqual([more.code, more.stderr], [77, 'tidepool: no token may do this; sign in\n']);
  const [listed] = JSON.parse(succeeded(await tidepool(['token', 'list', '--json'], asAdmin)));
  assert.deepEqual([listed.owner, listed.name, listed.scopes], ['admin', 'CI', ['read', 'jobs']]);
  succeeded(await tidepool(['token', 'delete', listed.id], asAdmin));
  assert.equal(await whoIs(accounts, secret), undefined);
  assert.equal((await tidepool([...args.slice(0, 4), '--scope', 'all'], asAdmin)).code, 2);
});

test('where anybody may, an account is made at sign-in; elsewhere that is refused', async () => {
  const closed = await tidepool(['login', web.url, '--user', 'dora', '--sign-up'], {
    TIDEPOOL_PASSWORD: 'hop hop hop hop',
  });
  assert.equal(closed.code, 77);
  assert.match(closed.stderr, /made by an administrator/);
  await using open = await openTestWeb(await openTestAccounts({ signUp: true }));
  const env = { TIDEPOOL_PASSWORD: 'hop hop hop hop' };
  const first = await tidepool(['login', open.url, '--user', 'dora', '--sign-up'], env);
  assert.equal(succeeded(first), `signed in to ${open.url} as dora (user)`);
  const again = await tidepool(['login', open.url, '--user', 'dora', '--sign-up'], env);
  assert.notEqual(again.code, 0, 'the name is taken');
  succeeded(await tidepool(['logout']));
});
