import type { Role, TokenScope } from '../protocol/account.ts';

/**
 * Accounts: who may sign in, by what they are known afterwards (sessions, API tokens), and the ports for keeping them
 * and for hashing passwords. Secrets never come here, only their hashes.
 */

/** What a route asks for: what a token can have, or `account` (passwords, tokens), which no token has. */
export type Scope = TokenScope | 'account';

export interface Account {
  /** Lower case, never changed and never given to another: it is the `owner` of jobs. */
  readonly name: string;
  readonly role: Role;
  /** A deleted account is kept as its name only, so that nobody gets the jobs of its former owner. */
  readonly state: 'active' | 'disabled' | 'deleted';
  /** As the password hasher wrote it; empty when deleted. */
  readonly passwordHash: string;
  /** Milliseconds since 1970, like all times here. */
  readonly createdAtMs: number;
}

/** Somebody signed in with a password. */
export interface Session {
  /** SHA-256 of its secret, hexadecimal. */
  readonly hash: string;
  readonly account: string;
  readonly createdAtMs: number;
  /** To the minute. */
  readonly usedAtMs: number;
}

/** A key for programs, which its owner made. */
export interface ApiToken {
  readonly id: string;
  /** SHA-256 of its secret, hexadecimal. */
  readonly hash: string;
  readonly account: string;
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** To the minute; null when it never was. */
  readonly usedAtMs: number | null;
}

/**
 * Port: accounts, sessions and tokens. Implementation: `sqlite/accounts.ts`. Every write is durable when its promise
 * resolves; a write that depends on a state is one transaction with the check of it.
 */
export interface AccountStore {
  readonly sessions: SessionStore;
  readonly tokens: TokenStore;
  /** False when the name is taken, also by a deleted account. */
  add(account: Account): Promise<boolean>;
  /** Deleted ones too. */
  get(name: string): Promise<Account | undefined>;
  /** By name, those after `after`, without deleted ones. */
  list(page: { readonly after?: string; readonly limit: number }): Promise<Account[]>;
  /** Deleted ones too. */
  count(): Promise<number>;
  /**
   * Changes role or state. Disabling ends the account's sessions, deleting also removes its tokens and its password.
   * `unknown` also when deleted; `last-admin` when no active administrator would be left, and nothing is changed.
   */
  change(name: string, change: AccountChange): Promise<'done' | 'unknown' | 'last-admin'>;
  /**
   * Replaces the password's hash and ends all sessions. False when the account is not there (or deleted), or when its
   * hash is not `expected` any more (null: whatever it is).
   */
  setPassword(name: string, passwordHash: string, expected: string | null): Promise<boolean>;
  /** Replaces the hash of the same password by one of newer settings, if it is still `expected`; sessions stay. */
  rehash(name: string, passwordHash: string, expected: string): Promise<void>;
  /** Removes sessions that were made or used last before these times, and tokens that expired before `nowMs`. */
  purge(before: { readonly createdMs: number; readonly usedMs: number; readonly nowMs: number }): Promise<void>;
}

export interface AccountChange {
  readonly role?: Role;
  readonly state?: Account['state'];
}

export interface SessionStore {
  /**
   * Adds a session if the account is active and its password's hash is still this one, so that a sign-in with the old
   * password does not outlive its change. Of more than `keep` sessions of the account, those used longest ago end.
   */
  add(session: Session, passwordHash: string, keep: number): Promise<boolean>;
  find(hash: string): Promise<{ session: Session; account: Account } | undefined>;
  touch(hash: string, nowMs: number): Promise<void>;
  remove(hash: string): Promise<void>;
}

export interface TokenStore {
  /** `full` when the account has `max` tokens; `unknown` when there is no such active account. */
  add(token: ApiToken, max: number): Promise<'done' | 'full' | 'unknown'>;
  find(hash: string): Promise<{ token: ApiToken; account: Account } | undefined>;
  touch(hash: string, nowMs: number): Promise<void>;
  /** Newest first, at most `limit` (of those older than `before`, if it is given); null: of all accounts. */
  list(account: string | null, limit: number, before?: string): Promise<ApiToken[]>;
  get(id: string): Promise<ApiToken | undefined>;
  remove(id: string): Promise<void>;
}

/** Port: slow hashes of passwords. Implementation: `passwords/`. Errors: `exhausted` when too many are asked for at once. */
export interface PasswordHasher {
  hash(password: string): Promise<string>;
  /**
   * Whether the password is the one of this hash. Without a hash it is never, and takes the same time to say so: the
   * caller must not let anybody tell an unknown account by a quick answer.
   */
  verify(password: string, hash: string | undefined): Promise<boolean>;
  /** Whether the hash was made with settings that are not today's. Pure. */
  isOutdated(hash: string): boolean;
}
