import type { Kysely, Transaction } from 'kysely';
import type { Session, SessionStore } from '../domain/account.ts';
import type { Tables } from './schema.ts';

/** SessionStore on SQL. */
export function sqlSessionStore(db: Kysely<Tables>): SessionStore {
  return {
    add: (session, passwordHash, keep) => db.transaction().execute((tx) => add(tx, session, passwordHash, keep)),
    async find(hash) {
      const row = await db
        .selectFrom('session')
        .innerJoin('account', 'account.name', 'session.account')
        .select(['session.hash', 'session.created_at_ms as began_at_ms', 'session.used_at_ms'])
        .select(['account.name', 'account.role', 'account.state', 'account.password_hash', 'account.created_at_ms'])
        .where('session.hash', '=', hash)
        .executeTakeFirst();
      if (row === undefined) return undefined;
      const { name, role, state, password_hash: passwordHash, created_at_ms: createdAtMs } = row;
      return {
        session: { hash, account: name, createdAtMs: row.began_at_ms, usedAtMs: row.used_at_ms },
        account: { name, role, state, passwordHash, createdAtMs },
      };
    },
    async touch(hash, nowMs) {
      await db.updateTable('session').set({ used_at_ms: nowMs }).where('hash', '=', hash).execute();
    },
    remove: async (hash) => void (await db.deleteFrom('session').where('hash', '=', hash).execute()),
  };
}

async function add(tx: Transaction<Tables>, session: Session, passwordHash: string, keep: number): Promise<boolean> {
  const { hash, account, createdAtMs, usedAtMs } = session;
  const known = tx.selectFrom('account').select('name').where('name', '=', account).where('state', '=', 'active');
  const owner = await known.where('password_hash', '=', passwordHash).executeTakeFirst();
  if (owner === undefined) return false;
  const others = tx.selectFrom('session').select('hash').where('account', '=', account);
  const kept = others.orderBy('used_at_ms', 'desc').limit(keep - 1);
  await tx.deleteFrom('session').where('account', '=', account).where('hash', 'not in', kept).execute();
  await tx.insertInto('session').values({ hash, account, created_at_ms: createdAtMs, used_at_ms: usedAtMs }).execute();
  return true;
}
