import { type Generated, type Kysely, type Migration, sql } from 'kysely';

/** Columns of a VM beside those of the first schema. */
export interface StandingColumns {
  /** 1: its guest stands, since the disk of the host is full. */
  standing: Generated<number>;
}

/** Migration 0016. */
export const standingMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table vm add column standing integer not null default 0`.execute(db);
  },
};
