import type { Account, AccountChange } from '../domain/account.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Role } from '../protocol/account.ts';
import { type AccountContext, accountTopic } from './context.ts';
import { firstAdmin } from './identity.ts';
import { foldName, newName } from './names.ts';
import { makePassword, newPassword } from './password-rules.ts';

/** As typed. */
export interface NewUser {
  readonly name: string;
  /** Undefined: one is made. */
  readonly password: string | undefined;
  readonly role: Role;
}

/**
 * Makes an account, for an administrator (or by sign-up). A password that was made is given back, this once.
 * Errors: `invalid` (name, password), `conflict` (the name is taken), `exhausted` (as many as there may be).
 */
export async function addUser(
  context: AccountContext,
  { name: typed, password, role }: NewUser,
): Promise<{ account: Account; madePassword: string | null }> {
  const { store, passwords, clock, settings, log } = context;
  const name = newName(typed);
  const chosen = newPassword(password ?? makePassword(), name);
  if ((await store.count()) >= settings.maxAccounts) {
    throw new TidepoolError('exhausted', `there are ${settings.maxAccounts} accounts, as many as there may be`);
  }
  // Asked first too, so that a taken name costs no hash.
  if ((await store.get(name)) !== undefined) throw taken(name);
  const passwordHash = await passwords.hash(chosen);
  const account: Account = { name, role, state: 'active', passwordHash, createdAtMs: clock.now() };
  if (!(await store.add(account))) throw taken(name);
  log(`new account ${name} (${role})`);
  return { account, madePassword: password === undefined ? chosen : null };
}

/** Makes an account for who asks, where the setting allows it. Errors: `forbidden`, and those of `addUser`. */
export async function signUp(
  context: AccountContext,
  { name, password, address }: { name: string; password: string; address: string },
): Promise<Account> {
  if (!context.settings.signUp) {
    throw new TidepoolError('forbidden', 'accounts are made by an administrator here; ask one');
  }
  context.throttle.takeSignUp(address);
  return (await addUser(context, { name, password, role: 'user' })).account;
}

/**
 * The first administrator, where there is no account yet. Gives the password if it was made here.
 * @param password chosen by who starts the server; undefined: one is made
 */
export async function ensureFirstAdmin(
  context: AccountContext,
  password: string | undefined,
): Promise<string | undefined> {
  if ((await context.store.count()) > 0) return undefined;
  const { madePassword } = await addUser(context, { name: firstAdmin, password, role: 'admin' });
  return madePassword ?? undefined;
}

/** Errors: `not_found`, also for a deleted one. */
export async function findUser({ store }: AccountContext, typed: string): Promise<Account> {
  const name = foldName(typed);
  const account = name === undefined ? undefined : await store.get(name);
  if (account === undefined || account.state === 'deleted') throw unknown(typed);
  return account;
}

/**
 * Changes role or state; it holds from the next request on, and what goes on is cut off.
 * Errors: `not_found`, `conflict` (no administrator would be left).
 */
export async function changeUser(context: AccountContext, typed: string, change: AccountChange): Promise<Account> {
  const { name } = await findUser(context, typed);
  const done = await context.store.change(name, change);
  if (done === 'unknown') throw unknown(name);
  if (done === 'last-admin') {
    throw new TidepoolError('conflict', `${name} is the only administrator; make another one first`);
  }
  context.changes.notify(accountTopic(name));
  context.log(`account ${name}: ${Object.values(change).join(', ')}`);
  const changed = await context.store.get(name);
  if (changed === undefined) throw unknown(name);
  return changed;
}

/**
 * Sets somebody's password, for an administrator; their sessions end. Gives it back if it was made here.
 * Errors: `not_found`, `invalid` (against the rules).
 */
export async function resetPassword(
  context: AccountContext,
  typed: string,
  password: string | undefined,
): Promise<string | null> {
  const { name } = await findUser(context, typed);
  const chosen = newPassword(password ?? makePassword(), name);
  const passwordHash = await context.passwords.hash(chosen);
  if (!(await context.store.setPassword(name, passwordHash, null))) throw unknown(name);
  context.changes.notify(accountTopic(name));
  context.log(`account ${name}: the password was set by an administrator`);
  return password === undefined ? chosen : null;
}

function unknown(name: string): TidepoolError {
  return new TidepoolError('not_found', `there is no user ${JSON.stringify(name.slice(0, 64))}`);
}

function taken(name: string): TidepoolError {
  return new TidepoolError('conflict', `the name ${name} is taken; choose another`);
}
