import { type Kysely, type Migration, sql } from 'kysely';

/** Workers that could not run a job and must not get it again, by the id of their key: names come again. */
export interface ExclusionTables {
  job_exclusion: { job_id: string; key_id: string };
}

const statements = [
  `create table job_exclusion (
    job_id text not null, key_id text not null, primary key (job_id, key_id)) without rowid`,
  // Jobs end in many ways, and then it does not matter any more.
  `create trigger job_exclusion_ended after update of ended_at_ms on job when new.ended_at_ms is not null
    begin delete from job_exclusion where job_id = new.id; end`,
];

export const exclusionMigration: Migration = {
  async up(db: Kysely<ExclusionTables>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
