import { type Kysely, type Migration, sql } from 'kysely';
import { queueBlockTriggerNames, queueBlockTriggers } from './queue-block-triggers.ts';

/**
 * Lengths of the beginnings of ids by which queued jobs are counted. Ids begin with the time (`sortableId`): 6 characters are
 * 17 minutes, 8 are one second. Level 0 counts all jobs of a priority. Each level costs a job several writes of small rows.
 */
export const queueLevels = [0, 6, 8] as const;

/** Migration 0017: fewer levels than the counters had at first (0013). */
export const queueBlockMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    const statements = [
      ...queueBlockTriggerNames.map((name) => `drop trigger ${name}`),
      `delete from queue_block where level not in (${queueLevels.join(', ')})`,
      ...queueBlockTriggers(queueLevels),
    ];
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
