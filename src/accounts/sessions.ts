import type { Account } from '../domain/account.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { AccountContext } from './context.ts';
import { accountTopic } from './context.ts';
import type { Identity } from './identity.ts';
import { foldName } from './names.ts';
import { newPassword, typedPassword } from './password-rules.ts';
import { makeSecret, secretHash } from './secrets.ts';

/** Of one account; those used longest ago end. */
const maxSessions = 20;

export interface Credentials {
  /** As typed, both. */
  readonly name: string;
  readonly password: string;
  /** IP address of who asks. */
  readonly address: string;
}

/**
 * Signs in by password and begins a session; its secret is new each time, so none that was known before can become one.
 * Errors: `unauthenticated`, the same after the same work for an unknown name, a wrong password and a disabled account;
 * `exhausted` after too many wrong passwords, or when too many sign in at this moment.
 */
export async function signIn(
  context: AccountContext,
  { name, password, address }: Credentials,
): Promise<{ secret: string; account: Account }> {
  const account = await checkPassword(context, foldName(name), typedPassword(password), address);
  const secret = await beginSession(context, account.name, account.passwordHash);
  if (secret === undefined) throw wrong();
  return { secret, account };
}

/** Ends the session by which they signed in. Errors: `invalid` when it was something else. */
export async function signOut(context: AccountContext, identity: Identity): Promise<void> {
  if (identity.signedInBy !== 'session') {
    throw new TidepoolError('invalid', 'this is not a session: a token ends when it is deleted or expires');
  }
  await endSession(context, identity);
}

/** Ends a session, and what goes on by it. */
export async function endSession(context: AccountContext, { name, hash }: Identity): Promise<void> {
  await context.store.sessions.remove(hash);
  context.changes.notify(accountTopic(name));
}

/**
 * Changes their own password. All sessions end; whoever asked by one gets the secret of a new one. API tokens stay.
 * Errors: `unauthenticated` when the current one is wrong; `invalid` when the new one is against the rules; `exhausted`.
 */
export async function changePassword(
  context: AccountContext,
  identity: Identity,
  passwords: { readonly current: string; readonly next: string; readonly address: string },
): Promise<string | undefined> {
  const { name } = identity;
  const next = newPassword(passwords.next, name);
  const account = await checkPassword(context, name, typedPassword(passwords.current), passwords.address);
  const passwordHash = await context.passwords.hash(next);
  if (!(await context.store.setPassword(name, passwordHash, account.passwordHash))) throw wrong();
  context.changes.notify(accountTopic(name));
  context.log(`user ${name} changed the password`);
  return identity.signedInBy === 'session' ? beginSession(context, name, passwordHash) : undefined;
}

/** @param name undefined when what was typed cannot be one */
async function checkPassword(
  { store, passwords, throttle, log }: AccountContext,
  name: string | undefined,
  password: string,
  address: string,
): Promise<Account> {
  // All names that cannot be are counted as one; it is not the key of any account.
  const key = name ?? '-';
  const giveBack = throttle.takeTry(key, address);
  const account = name === undefined ? undefined : await store.get(name);
  const active = account?.state === 'active' ? account : undefined;
  const isRight = await passwords.verify(password, active?.passwordHash).catch((error: unknown) => {
    giveBack();
    throw error;
  });
  if (active === undefined || !isRight) {
    // People type their password as the name at times: what is no account's name is not written down.
    log(`a wrong password for ${account === undefined ? 'an unknown name' : account.name} from ${address}`);
    throw wrong();
  }
  giveBack();
  throttle.remember(active.name, address);
  if (!passwords.isOutdated(active.passwordHash)) return active;
  const passwordHash = await passwords.hash(password);
  await store.rehash(active.name, passwordHash, active.passwordHash);
  return { ...active, passwordHash };
}

async function beginSession(context: AccountContext, account: string, passwordHash: string) {
  const secret = makeSecret('session');
  const nowMs = context.clock.now();
  const session = { hash: secretHash(secret), account, createdAtMs: nowMs, usedAtMs: nowMs };
  const isBegun = await context.store.sessions.add(session, passwordHash, maxSessions);
  return isBegun ? secret : undefined;
}

function wrong(): TidepoolError {
  return new TidepoolError('unauthenticated', 'the name or the password is wrong');
}
