import { type AccountContext, makeAccountContext } from '../accounts/context.ts';
import { ensureFirstAdmin } from '../accounts/users.ts';
import { systemClock } from '../clock/system-clock.ts';
import { adminToken, tokenKeeper } from '../config/admin-token.ts';
import type { Config } from '../config/schema.ts';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import type { Store } from '../domain/store.ts';
import { argon2idHasher } from '../passwords/argon2id.ts';
import type { Changes } from '../reconcile/changes.ts';

export interface AccountParts {
  readonly config: Config;
  readonly dataDir: string;
  readonly store: Store;
  readonly changes: Changes;
  /** Of the first administrator; undefined: one is made and told. */
  readonly adminPassword: string | undefined;
  log(message: string): void;
}

/**
 * Opens the accounts of an installation; at the first start there is an administrator afterwards. Returns them with the look at
 * the admin token's file that is to be repeated.
 */
export async function openAccounts({
  config,
  dataDir,
  store,
  changes,
  adminPassword,
  log,
}: AccountParts): Promise<{ accounts: AccountContext; keepToken(): Promise<void> }> {
  const token = await adminToken(dataDir, log);
  const { signUp, maxAccounts, sessionIdleMs, sessionMaxMs } = config.accounts;
  const context: AccountContext = makeAccountContext({
    store: store.accounts,
    passwords: argon2idHasher(),
    clock: systemClock,
    changes,
    settings: { signUp, maxAccounts, sessionIdleMs, sessionMaxMs },
    adminToken: token,
    log,
  });
  const made = await ensureFirstAdmin(context, adminPassword).catch((error: unknown) => {
    if (!hasCode(error, 'invalid')) throw error;
    throw new TidepoolError('invalid', `TIDEPOOL_ADMIN_PASSWORD: ${error.message}`, { cause: error });
  });
  if (made !== undefined) {
    log(`first start: the administrator is admin, with the password ${made} (told this once; docs/accounts.md)`);
  }
  return { accounts: context, keepToken: tokenKeeper(dataDir, token, log) };
}
