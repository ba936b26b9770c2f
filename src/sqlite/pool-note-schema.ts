import { type Kysely, type Migration, sql } from 'kysely';
import type { PoolNotePart } from '../domain/pool.ts';

/** What parts of the server keep with a pool over a restart. */
export interface PoolNoteTables {
  pool_note: { pool: string; part: PoolNotePart; format: number; saved_at_ms: number; body_json: string };
}

export const poolNoteMigration: Migration = {
  async up(db: Kysely<PoolNoteTables>): Promise<void> {
    const statement = `create table pool_note (
      pool text not null, part text not null, format integer not null, saved_at_ms integer not null,
      body_json text not null, primary key (pool, part)) without rowid`;
    await sql.raw(statement).execute(db);
  },
};
