import type { Kysely, Selectable, Transaction } from 'kysely';
import type { ApiToken, TokenStore } from '../domain/account.ts';
import type { AccountTables } from './account-schema.ts';
import type { Tables } from './schema.ts';

type Row = Selectable<AccountTables['api_token']>;

/** TokenStore on SQL. */
export function sqlTokenStore(db: Kysely<Tables>): TokenStore {
  return {
    add: (token, max) => db.transaction().execute((tx) => add(tx, token, max)),
    find: (hash) => find(db, hash),
    async touch(hash, nowMs) {
      await db.updateTable('api_token').set({ used_at_ms: nowMs }).where('hash', '=', hash).execute();
    },
    async list(account, limit, before) {
      let query = db.selectFrom('api_token').selectAll().orderBy('id', 'desc').limit(limit);
      if (account !== null) query = query.where('account', '=', account);
      if (before !== undefined) query = query.where('id', '<', before);
      return (await query.execute()).map(tokenOf);
    },
    async get(id) {
      const row = await db.selectFrom('api_token').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? undefined : tokenOf(row);
    },
    remove: async (id) => void (await db.deleteFrom('api_token').where('id', '=', id).execute()),
  };
}

async function add(tx: Transaction<Tables>, token: ApiToken, max: number): Promise<'done' | 'full' | 'unknown'> {
  const owner = tx.selectFrom('account').select('name').where('name', '=', token.account).where('state', '=', 'active');
  if ((await owner.executeTakeFirst()) === undefined) return 'unknown';
  const ofOwner = tx.selectFrom('api_token').where('account', '=', token.account);
  const { count } = await ofOwner.select((e) => e.fn.countAll<number>().as('count')).executeTakeFirstOrThrow();
  if (count >= max) return 'full';
  await tx.insertInto('api_token').values(toRow(token)).execute();
  return 'done';
}

async function find(db: Kysely<Tables>, hash: string): ReturnType<TokenStore['find']> {
  const row = await db
    .selectFrom('api_token as token')
    .innerJoin('account', 'account.name', 'token.account')
    .selectAll('token')
    .select(['account.role', 'account.state', 'account.password_hash', 'account.created_at_ms as joined_at_ms'])
    .where('token.hash', '=', hash)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { account: name, role, state, password_hash: passwordHash, joined_at_ms: createdAtMs } = row;
  return { token: tokenOf(row), account: { name, role, state, passwordHash, createdAtMs } };
}

function toRow(token: ApiToken): Row {
  return {
    id: token.id,
    hash: token.hash,
    account: token.account,
    name: token.name,
    scopes_json: JSON.stringify(token.scopes),
    created_at_ms: token.createdAtMs,
    expires_at_ms: token.expiresAtMs,
    used_at_ms: token.usedAtMs,
  };
}

function tokenOf(row: Row): ApiToken {
  return {
    id: row.id,
    hash: row.hash,
    account: row.account,
    name: row.name,
    scopes: JSON.parse(row.scopes_json),
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    usedAtMs: row.used_at_ms,
  };
}
