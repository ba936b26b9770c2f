import type { Kysely, Transaction } from 'kysely';
import { maxOnceKeys, type OnceAnswer, type OnceKey, type OnceStore, onceForMs } from '../domain/once.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Tables } from './schema.ts';

/** A user's oldest keys are dropped every so many new ones. */
const trimEvery = 100n;

/** OnceStore on SQL. */
export function sqlOnceStore(db: Kysely<Tables>, group: GroupCommit<Tables>): OnceStore {
  return {
    find: (key, nowMs) => findOnce(db, key, nowMs),
    isKnown: async (key, nowMs) => (await findRow(db, key, nowMs)) !== undefined,
    remember: (key, outcome, nowMs) => group.run((tx) => rememberOnce(tx, key, outcome, nowMs)),
    purge: async (beforeMs) => void (await db.deleteFrom('once').where('created_at_ms', '<', beforeMs).execute()),
  };
}

function findRow(db: Kysely<Tables>, { owner, key }: Pick<OnceKey, 'owner' | 'key'>, nowMs: number) {
  return db
    .selectFrom('once')
    .select(['request_hash', 'outcome'])
    .where('owner', '=', owner)
    .where('key', '=', key)
    .where('created_at_ms', '>=', nowMs - onceForMs)
    .executeTakeFirst();
}

async function findOnce(db: Kysely<Tables>, once: OnceKey, nowMs: number): Promise<OnceAnswer | undefined> {
  const row = await findRow(db, once, nowMs);
  if (row === undefined) return undefined;
  return row.request_hash === once.requestHash ? { state: 'again', outcome: row.outcome } : { state: 'other' };
}

/** OnceStore.remember, as part of the transaction in which the request takes effect if the answer is `first`. */
export async function rememberOnce(
  tx: Transaction<Tables>,
  once: OnceKey,
  outcome: string,
  nowMs: number,
): Promise<OnceAnswer> {
  const known = await findOnce(tx, once, nowMs);
  if (known !== undefined) return known;
  const { owner, key, requestHash } = once;
  const row = { owner, key, request_hash: requestHash, outcome, created_at_ms: nowMs };
  const { insertId } = await tx.replaceInto('once').values(row).executeTakeFirst();
  if (insertId !== undefined && insertId % trimEvery === 0n) await trim(tx, owner);
  return { state: 'first', outcome };
}

async function trim(tx: Transaction<Tables>, owner: string): Promise<void> {
  const oldest = tx
    .selectFrom('once')
    .select('created_at_ms')
    .where('owner', '=', owner)
    .orderBy('created_at_ms', 'desc')
    .offset(maxOnceKeys)
    .limit(1);
  await tx.deleteFrom('once').where('owner', '=', owner).where('created_at_ms', '<=', oldest).execute();
}
