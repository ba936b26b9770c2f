import type { Kysely } from 'kysely';
import type { PoolStore } from '../domain/store.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Tables } from './schema.ts';

/** PoolStore on SQL. @param group for the writes: many pools may change at one time */
export function sqlPoolStore(db: Kysely<Tables>, group: GroupCommit<Tables>): PoolStore {
  return {
    async get(name) {
      const row = await db.selectFrom('pool').selectAll().where('name', '=', name).executeTakeFirst();
      if (row === undefined) return undefined;
      return { name: row.name, desired: row.desired, overrides: JSON.parse(row.overrides_json) };
    },
    async put(pool) {
      const changes = { desired: pool.desired, overrides_json: JSON.stringify(pool.overrides) };
      await group.run(async (tx) => {
        const query = tx.insertInto('pool').values({ name: pool.name, ...changes });
        await query.onConflict((conflict) => conflict.column('name').doUpdateSet(changes)).execute();
      });
    },
    delete: (name) =>
      group.run(async (tx) => {
        await tx.deleteFrom('pool_note').where('pool', '=', name).execute();
        await tx.deleteFrom('pool').where('name', '=', name).execute();
      }),
    async note(name, part) {
      const query = db.selectFrom('pool_note').selectAll().where('pool', '=', name).where('part', '=', part);
      const row = await query.executeTakeFirst();
      if (row === undefined) return undefined;
      return { format: row.format, savedAtMs: row.saved_at_ms, body: JSON.parse(row.body_json) };
    },
    putNote: (name, part, note) =>
      group.run(async (tx) => {
        const changes = { format: note.format, saved_at_ms: note.savedAtMs, body_json: JSON.stringify(note.body) };
        const query = tx.insertInto('pool_note').values({ pool: name, part, ...changes });
        await query.onConflict((conflict) => conflict.columns(['pool', 'part']).doUpdateSet(changes)).execute();
      }),
  };
}
