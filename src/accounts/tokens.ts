import { randomBytes } from 'node:crypto';
import type { ApiToken } from '../domain/account.ts';
import { TidepoolError } from '../domain/errors.ts';
import { sortableId } from '../domain/id.ts';
import type { TokenScope } from '../protocol/account.ts';
import { type AccountContext, accountTopic } from './context.ts';
import { type Identity, isAdmin } from './identity.ts';
import { foldName } from './names.ts';
import { makeSecret, secretHash } from './secrets.ts';

/** Of one account. */
const maxTokens = 50;

export interface TokenWish {
  /** For a person, to know it again. */
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  readonly expiresInMs: number;
}

/**
 * Makes a token for who asks. Its secret is given here, this once; only its hash is kept.
 * Errors: `forbidden` (scope `admin` for a user), `conflict` (as many as there may be).
 */
export async function makeToken(
  { store, clock, log }: AccountContext,
  { name: account, role }: Identity,
  { name, scopes, expiresInMs }: TokenWish,
): Promise<{ token: ApiToken; secret: string }> {
  if (scopes.includes('admin') && role !== 'admin') {
    throw new TidepoolError('forbidden', 'only an administrator can have a token with the scope admin');
  }
  const secret = makeSecret('token');
  const nowMs = clock.now();
  const token: ApiToken = {
    id: sortableId(nowMs, randomBytes(10)),
    hash: secretHash(secret),
    account,
    name,
    scopes: [...new Set(scopes)],
    createdAtMs: nowMs,
    expiresAtMs: nowMs + expiresInMs,
    usedAtMs: null,
  };
  const done = await store.tokens.add(token, maxTokens);
  if (done === 'full') throw new TidepoolError('conflict', `${account} has ${maxTokens} tokens; delete one first`);
  if (done === 'unknown') throw new TidepoolError('conflict', `the account ${account} is not active`);
  log(`user ${account} made the token ${token.id} for ${token.scopes.join(', ')}`);
  return { token, secret };
}

/**
 * Tokens, newest first: their own; for an administrator everybody's, or those of one.
 * @param owner only this one's; undefined is no wish
 * @param page at most so many, of those older than `before`
 */
export async function listTokens(
  { store }: AccountContext,
  identity: Identity,
  owner: string | undefined,
  page: { readonly limit: number; readonly before?: string | undefined },
): Promise<ApiToken[]> {
  const wanted = owner === undefined ? null : foldName(owner);
  // No name at all, or another's: nothing that they could see.
  if (wanted === undefined) return [];
  const list = (account: string | null) => store.tokens.list(account, page.limit, page.before);
  if (isAdmin(identity)) return list(wanted);
  return wanted === null || wanted === identity.name ? list(identity.name) : [];
}

/** Deletes a token of theirs; an administrator anybody's. Errors: `not_found`, also when it is another's. */
export async function deleteToken(context: AccountContext, identity: Identity, id: string): Promise<void> {
  const token = await context.store.tokens.get(id);
  if (token === undefined || !(isAdmin(identity) || token.account === identity.name)) {
    throw new TidepoolError('not_found', `there is no token ${id}`);
  }
  await context.store.tokens.remove(id);
  context.changes.notify(accountTopic(token.account));
  context.log(`user ${identity.name} deleted the token ${id} of ${token.account}`);
}
