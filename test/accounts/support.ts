import { type AccountContext, type AccountSettings, makeAccountContext } from '../../src/accounts/context.ts';
import { identify } from '../../src/accounts/identity.ts';
import { signIn } from '../../src/accounts/sessions.ts';
import { makeToken } from '../../src/accounts/tokens.ts';
import { addUser, ensureFirstAdmin } from '../../src/accounts/users.ts';
import type { Store } from '../../src/domain/store.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { FakeHasher } from '../../src/fake/passwords.ts';
import type { Role, TokenScope } from '../../src/protocol/account.ts';
import { Changes } from '../../src/reconcile/changes.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';

export const hourMs = 3_600_000;
export const adminToken = 'the-admin-token-of-the-data-folder-000000000';
export const passwordOf = (name: string): string => `the password of ${name}`;

/** Accounts on a real store in memory, with time and hashes of the test's own. */
export interface TestAccounts extends AccountContext {
  readonly clock: FakeClock;
  readonly passwords: FakeHasher;
  readonly root: Store;
  readonly lines: string[];
}

/** With the first administrator, whose password is `passwordOf('admin')`. */
export async function openTestAccounts(settings: Partial<AccountSettings> = {}): Promise<TestAccounts> {
  const root = await openSqliteStore(':memory:');
  const lines: string[] = [];
  const clock = new FakeClock();
  const passwords = new FakeHasher();
  const context = makeAccountContext({
    store: root.accounts,
    passwords,
    clock,
    changes: new Changes(),
    settings: {
      signUp: false,
      maxAccounts: 100_000,
      sessionIdleMs: 24 * hourMs,
      sessionMaxMs: 240 * hourMs,
      ...settings,
    },
    adminToken,
    log: (line) => lines.push(line),
  });
  const accounts = { ...context, clock, passwords, root, lines };
  await ensureFirstAdmin(accounts, passwordOf('admin'));
  return accounts;
}

/** A user with the password `passwordOf(name)`. */
export async function addTestUser(accounts: AccountContext, name: string, role: Role = 'user'): Promise<void> {
  await addUser(accounts, { name, password: passwordOf(name), role });
}

/** The secret of a new session. */
export async function sessionOf(accounts: AccountContext, name: string, address = '127.0.0.1'): Promise<string> {
  return (await signIn(accounts, { name, password: passwordOf(name), address })).secret;
}

/** The secret of a new token of the user's. */
export async function tokenOf(
  accounts: AccountContext,
  name: string,
  scopes: readonly TokenScope[],
  expiresInMs = 24 * hourMs,
): Promise<string> {
  const account = await accounts.store.get(name);
  const identity = { name, role: account?.role ?? 'user', signedInBy: 'session', scopes: null, hash: '' } as const;
  return (await makeToken(accounts, identity, { name: scopes.join(' '), scopes, expiresInMs })).secret;
}

/** Name and role behind a secret; undefined when it is nobody's. */
export async function whoIs(accounts: AccountContext, secret: string): Promise<string | undefined> {
  const identity = await identify(accounts, secret);
  return identity === undefined ? undefined : `${identity.name} ${identity.role}`;
}
