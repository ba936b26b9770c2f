import { type Kysely, type Migration, sql } from 'kysely';

/** Attempts that workers could not run, by the id of their key: names come again. */
export interface WorkerTrustTables {
  worker_trust: { key_id: string; vm: string; pool: string; strikes: number; alarmed: number };
}

/** Migration 0015. */
export const workerTrustMigration: Migration = {
  async up(db: Kysely<WorkerTrustTables>): Promise<void> {
    const statement = `create table worker_trust (
      key_id text primary key, vm text not null, pool text not null, strikes integer not null,
      alarmed integer not null) without rowid`;
    await sql.raw(statement).execute(db);
  },
};
