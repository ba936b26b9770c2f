import type { AccountStore, PasswordHasher } from '../domain/account.ts';
import type { Clock } from '../domain/clock.ts';
import type { Changes } from '../reconcile/changes.ts';
import { secretHash } from './secrets.ts';
import { Throttle } from './throttle.ts';

export interface AccountSettings {
  /** Whether anybody may make an account. */
  readonly signUp: boolean;
  /** Accounts that there may be, deleted ones too. */
  readonly maxAccounts: number;
  /** A session ends when it was not used for this long, ... */
  readonly sessionIdleMs: number;
  /** ... and this long after its sign-in. */
  readonly sessionMaxMs: number;
}

/** What accounts are made of. */
export interface AccountOptions {
  readonly store: AccountStore;
  readonly passwords: PasswordHasher;
  readonly clock: Clock;
  /** Topics: `accountTopic(name)`, when something of an account was taken away. */
  readonly changes: Changes;
  readonly settings: AccountSettings;
  log(message: string): void;
}

/** What accounts work with. */
export interface AccountContext extends AccountOptions {
  readonly throttle: Throttle;
  /** SHA-256 of the admin token of the data folder, hexadecimal. */
  readonly adminTokenHash: string;
}

/** @param options with the admin token itself, which is not kept */
export function makeAccountContext(options: AccountOptions & { readonly adminToken: string }): AccountContext {
  const { adminToken, ...parts } = options;
  return { ...parts, throttle: new Throttle(parts.clock), adminTokenHash: secretHash(adminToken) };
}

/** Whoever holds a session, token or long request of this account looks again whether it is still good. */
export function accountTopic(name: string): string {
  return `account:${name}`;
}

/** Removes sessions and tokens that have ended; whether they are there makes no difference otherwise. */
export async function purgeEnded({ store, clock, settings }: AccountContext): Promise<void> {
  const nowMs = clock.now();
  await store.purge({ createdMs: nowMs - settings.sessionMaxMs, usedMs: nowMs - settings.sessionIdleMs, nowMs });
}
