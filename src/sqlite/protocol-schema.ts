import { type Kysely, type Migration, sql } from 'kysely';

/** Columns of a VM beside those of the first schema. */
export interface ProtocolColumns {
  /** Version of the API that its agent speaks; null before it has answered, and of VMs from before this was kept. */
  protocol: number | null;
}

/** Migration 0010. */
export const protocolMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table vm add column protocol integer`.execute(db);
  },
};
