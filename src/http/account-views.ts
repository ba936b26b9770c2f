import type { Identity } from '../accounts/identity.ts';
import type { Account, ApiToken } from '../domain/account.ts';
import type { TokenView, UserView, WhoView } from '../protocol/account.ts';

/** An account as the API shows it; its password's hash never leaves the server. Pure. */
export function userView({ name, role, state, createdAtMs }: Account): UserView {
  return { name, role, disabled: state === 'disabled', createdAtMs };
}

/** Who asks, as the API shows it. Pure. */
export function whoView({ name, role, signedInBy, scopes }: Identity): WhoView {
  return { name, role, signedInBy, scopes: scopes === null ? null : [...scopes] };
}

/** A token as the API shows it: never its hash. Pure. */
export function tokenView({ id, account, name, scopes, createdAtMs, expiresAtMs, usedAtMs }: ApiToken): TokenView {
  return { id, owner: account, name, scopes: [...scopes], createdAtMs, expiresAtMs, usedAtMs };
}
