import type { Kysely, Selectable } from 'kysely';
import type { CloudEvent, NewEvent } from '../domain/event.ts';
import { type EventStore, maxEvents } from '../domain/store.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Tables } from './schema.ts';

/** Old events are dropped every so many new ones, so that an append is one statement nearly always. */
const trimEvery = 1_000;

/**
 * EventStore on SQL.
 * @param group for the writes: many events may come at one time
 * @param kept how many decisions, and how many other events, are kept at least
 */
export function sqlEventStore(db: Kysely<Tables>, group: GroupCommit<Tables>, kept = maxEvents): EventStore {
  return {
    append: (event) => group.run((tx) => append(tx, event, kept)),
    async after(afterId, limit) {
      const query = db.selectFrom('event').selectAll().where('id', '>', afterId).orderBy('id').limit(limit);
      return (await query.execute()).map(fromRow);
    },
    async newest(limit, beforeId, { pool, names } = {}) {
      let query = db.selectFrom('event').selectAll().orderBy('id', 'desc').limit(limit);
      if (beforeId !== undefined) query = query.where('id', '<', beforeId);
      if (pool !== undefined) query = query.where('pool', '=', pool);
      if (names !== undefined) query = query.where('name', 'in', names);
      return (await query.execute()).map(fromRow).reverse();
    },
  };
}

async function append(db: Kysely<Tables>, event: NewEvent, kept: number): Promise<CloudEvent> {
  const { atMs, name, pool, vm, text, data } = event;
  const { id } = await db
    .insertInto('event')
    .values({ at_ms: atMs, name, pool, vm, text, data_json: JSON.stringify(data) })
    .returning('id')
    .executeTakeFirstOrThrow();
  if (id % trimEvery === 0) for (const isOf of ['=', '!='] as const) await trim(db, isOf, kept);
  return { id, ...event };
}

/** Keeps the newest of the decisions, or of all other events. */
async function trim(db: Kysely<Tables>, isOf: '=' | '!=', kept: number): Promise<void> {
  const kind = db.selectFrom('event').select('id').where('name', isOf, 'pool.decision');
  const oldestKept = await kind
    .orderBy('id', 'desc')
    .offset(kept - 1)
    .limit(1)
    .executeTakeFirst();
  if (oldestKept === undefined) return;
  await db.deleteFrom('event').where('name', isOf, 'pool.decision').where('id', '<', oldestKept.id).execute();
}

function fromRow(row: Selectable<Tables['event']>): CloudEvent {
  const { id, at_ms: atMs, name, pool, vm, text, data_json } = row;
  return { id, atMs, name, pool, vm, text, data: JSON.parse(data_json) };
}
