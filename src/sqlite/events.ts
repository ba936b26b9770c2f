import type { Kysely, Selectable } from 'kysely';
import type { CloudEvent, NewEvent } from '../domain/event.ts';
import { type EventStore, maxEvents } from '../domain/store.ts';
import type { Tables } from './schema.ts';

/** Old events are dropped every so many new ones, so that an append is one statement nearly always. */
const trimEvery = 1_000;

/** EventStore on SQL. */
export function sqlEventStore(db: Kysely<Tables>): EventStore {
  return {
    append: (event) => append(db, event),
    async after(afterId, limit) {
      const query = db.selectFrom('event').selectAll().where('id', '>', afterId).orderBy('id').limit(limit);
      return (await query.execute()).map(fromRow);
    },
    async newest(limit, beforeId) {
      let query = db.selectFrom('event').selectAll().orderBy('id', 'desc').limit(limit);
      if (beforeId !== undefined) query = query.where('id', '<', beforeId);
      return (await query.execute()).map(fromRow).reverse();
    },
  };
}

async function append(db: Kysely<Tables>, event: NewEvent): Promise<CloudEvent> {
  const { atMs, name, pool, vm, text, data } = event;
  const { id } = await db
    .insertInto('event')
    .values({ at_ms: atMs, name, pool, vm, text, data_json: JSON.stringify(data) })
    .returning('id')
    .executeTakeFirstOrThrow();
  if (id % trimEvery === 0)
    await db
      .deleteFrom('event')
      .where('id', '<=', id - maxEvents)
      .execute();
  return { id, ...event };
}

function fromRow(row: Selectable<Tables['event']>): CloudEvent {
  const { id, at_ms: atMs, name, pool, vm, text, data_json } = row;
  return { id, atMs, name, pool, vm, text, data: JSON.parse(data_json) };
}
