import type { Kysely, Selectable, Transaction } from 'kysely';
import type { Account, AccountChange, AccountStore } from '../domain/account.ts';
import type { AccountTables } from './account-schema.ts';
import type { Tables } from './schema.ts';
import { sqlSessionStore } from './sessions.ts';
import { sqlTokenStore } from './tokens.ts';

type Db = Kysely<Tables>;
type Tx = Transaction<Tables>;

/** AccountStore on SQL. */
export function sqlAccountStore(db: Db): AccountStore {
  return {
    sessions: sqlSessionStore(db),
    tokens: sqlTokenStore(db),
    add: (account) => add(db, account),
    get: (name) => get(db, name),
    list: (page) => list(db, page),
    async count() {
      const query = db.selectFrom('account').select((e) => e.fn.countAll<number>().as('count'));
      return (await query.executeTakeFirstOrThrow()).count;
    },
    change: (name, wanted) => db.transaction().execute((tx) => change(tx, name, wanted)),
    setPassword: (name, hash, expected) => db.transaction().execute((tx) => setPassword(tx, name, hash, expected)),
    async rehash(name, passwordHash, expected) {
      const query = db.updateTable('account').set({ password_hash: passwordHash });
      await query.where('name', '=', name).where('password_hash', '=', expected).execute();
    },
    async purge({ createdMs, usedMs, nowMs }) {
      await db
        .deleteFrom('session')
        .where((e) => e.or([e('created_at_ms', '<', createdMs), e('used_at_ms', '<', usedMs)]))
        .execute();
      await db.deleteFrom('api_token').where('expires_at_ms', '<', nowMs).execute();
    },
  };
}

async function add(db: Db, account: Account): Promise<boolean> {
  const query = db.insertInto('account').values(toRow(account));
  const result = await query.onConflict((conflict) => conflict.column('name').doNothing()).executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

async function get(db: Db, name: string): Promise<Account | undefined> {
  const row = await db.selectFrom('account').selectAll().where('name', '=', name).executeTakeFirst();
  return row === undefined ? undefined : accountOf(row);
}

async function list(db: Db, page: { after?: string; limit: number }): Promise<Account[]> {
  let query = db.selectFrom('account').selectAll().where('state', '!=', 'deleted').orderBy('name').limit(page.limit);
  if (page.after !== undefined) query = query.where('name', '>', page.after);
  return (await query.execute()).map(accountOf);
}

async function change(tx: Tx, name: string, wanted: AccountChange): Promise<'done' | 'unknown' | 'last-admin'> {
  const before = await get(tx, name);
  if (before === undefined || before.state === 'deleted') return 'unknown';
  const after: Account = { ...before, ...wanted, ...(wanted.state === 'deleted' ? { passwordHash: '' } : {}) };
  if (rules(before) && !rules(after) && (await countRulers(tx)) === 1) return 'last-admin';
  await tx.updateTable('account').set(toRow(after)).where('name', '=', name).execute();
  if (after.state !== 'active') await endSessions(tx, name);
  if (after.state === 'deleted') await tx.deleteFrom('api_token').where('account', '=', name).execute();
  return 'done';
}

function rules({ role, state }: Account): boolean {
  return role === 'admin' && state === 'active';
}

async function countRulers(tx: Tx): Promise<number> {
  const query = tx.selectFrom('account').where('role', '=', 'admin').where('state', '=', 'active');
  return (await query.select((e) => e.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()).count;
}

async function setPassword(tx: Tx, name: string, passwordHash: string, expected: string | null): Promise<boolean> {
  let query = tx.updateTable('account').set({ password_hash: passwordHash });
  query = query.where('name', '=', name).where('state', '!=', 'deleted');
  if (expected !== null) query = query.where('password_hash', '=', expected);
  if ((await query.executeTakeFirst()).numUpdatedRows !== 1n) return false;
  await endSessions(tx, name);
  return true;
}

async function endSessions(tx: Tx, account: string): Promise<void> {
  await tx.deleteFrom('session').where('account', '=', account).execute();
}

function toRow(account: Account): AccountTables['account'] {
  const { name, role, state, passwordHash, createdAtMs } = account;
  return { name, role, state, password_hash: passwordHash, created_at_ms: createdAtMs };
}

function accountOf(row: Selectable<AccountTables['account']>): Account {
  const { name, role, state, password_hash: passwordHash, created_at_ms: createdAtMs } = row;
  return { name, role, state, passwordHash, createdAtMs };
}
