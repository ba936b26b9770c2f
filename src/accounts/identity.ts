import { timingSafeEqual } from 'node:crypto';
import type { Account, ApiToken, Scope, Session } from '../domain/account.ts';
import type { Role, TokenScope } from '../protocol/account.ts';
import type { AccountContext } from './context.ts';
import { secretHash, secretPrefixes } from './secrets.ts';

/** The name of the first administrator, who also owns the admin token of the data folder. */
export const firstAdmin = 'admin';

/** Who is asking, and by what. */
export interface Identity {
  /** The account's name: the owner of what they make. */
  readonly name: string;
  readonly role: Role;
  readonly signedInBy: 'session' | 'token' | 'file';
  /** Of a token; null where nothing is held back. */
  readonly scopes: readonly TokenScope[] | null;
  /** Of the session or token. */
  readonly hash: string;
}

/** Uses are noted so often; oftener would be a write for every request. */
const touchEveryMs = 60_000;

/**
 * Who a secret belongs to: that of a session or token of an active account, not expired, or the admin token. Undefined
 * when it is nobody's.
 * @param isUse whether this is a use, or only a look whether it is still good
 */
export async function identify(context: AccountContext, secret: string, isUse = true): Promise<Identity | undefined> {
  // Nothing that is given may match nothing that is kept.
  if (secret === '') return undefined;
  const hash = secretHash(secret);
  if (timingSafeEqual(Buffer.from(hash), Buffer.from(context.adminTokenHash))) {
    return { name: firstAdmin, role: 'admin', signedInBy: 'file', scopes: null, hash };
  }
  if (secret.startsWith(secretPrefixes.session)) return bySession(context, hash, isUse);
  if (secret.startsWith(secretPrefixes.token)) return byToken(context, hash, isUse);
  return undefined;
}

async function bySession(context: AccountContext, hash: string, isUse: boolean): Promise<Identity | undefined> {
  const { store, clock } = context;
  const found = await store.sessions.find(hash);
  if (found === undefined || !isGood(context, found.session, found.account)) return undefined;
  if (isUse && isStale(found.session.usedAtMs, clock.now())) await store.sessions.touch(hash, clock.now());
  const { name, role } = found.account;
  return { name, role, signedInBy: 'session', scopes: null, hash };
}

function isGood({ clock, settings }: AccountContext, session: Session, account: Account): boolean {
  const nowMs = clock.now();
  const idleMs = nowMs - session.usedAtMs;
  return (
    account.state === 'active' && idleMs < settings.sessionIdleMs && nowMs - session.createdAtMs < settings.sessionMaxMs
  );
}

async function byToken({ store, clock }: AccountContext, hash: string, isUse: boolean): Promise<Identity | undefined> {
  const found = await store.tokens.find(hash);
  if (found === undefined || found.account.state !== 'active' || isExpired(found.token, clock.now())) return undefined;
  if (isUse && isStale(found.token.usedAtMs ?? 0, clock.now())) await store.tokens.touch(hash, clock.now());
  const { name, role } = found.account;
  return { name, role, signedInBy: 'token', scopes: found.token.scopes, hash };
}

function isExpired(token: ApiToken, nowMs: number): boolean {
  return token.expiresAtMs <= nowMs;
}

function isStale(usedAtMs: number, nowMs: number): boolean {
  return nowMs - usedAtMs >= touchEveryMs;
}

/** Whether they may do what needs this scope. Pure. */
export function hasScope({ scopes }: Identity, needed: Scope): boolean {
  if (scopes === null) return true;
  if (needed === 'account') return false;
  if (scopes.includes('admin') || scopes.includes(needed)) return true;
  return needed === 'read' && (scopes.includes('jobs') || scopes.includes('services'));
}

/** Whether they may see and change what is not theirs. Pure. */
export function isAdmin(identity: Identity): boolean {
  return identity.role === 'admin' && hasScope(identity, 'admin');
}
