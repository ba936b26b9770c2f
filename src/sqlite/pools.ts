import type { Kysely } from 'kysely';
import type { PoolStore } from '../domain/store.ts';
import type { Tables } from './schema.ts';

/** PoolStore on SQL. */
export function sqlPoolStore(db: Kysely<Tables>): PoolStore {
  return {
    async get(name) {
      const row = await db.selectFrom('pool').selectAll().where('name', '=', name).executeTakeFirst();
      if (row === undefined) return undefined;
      return { name: row.name, desired: row.desired, overrides: JSON.parse(row.overrides_json) };
    },
    async put(pool) {
      const changes = { desired: pool.desired, overrides_json: JSON.stringify(pool.overrides) };
      const query = db.insertInto('pool').values({ name: pool.name, ...changes });
      await query.onConflict((conflict) => conflict.column('name').doUpdateSet(changes)).execute();
    },
    async delete(name) {
      await db.deleteFrom('pool').where('name', '=', name).execute();
    },
  };
}
