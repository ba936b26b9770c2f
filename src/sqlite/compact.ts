import { type Kysely, sql } from 'kysely';
import { endOfTurn } from './pace.ts';

/** Pages that one step gives back: some milliseconds, so that others are served between. */
const stepPages = 256;
/** A part of the pages that may stay free, for what is written next: one in ten. */
const keptPart = 10;

/**
 * Gives free pages back to the disk, in small steps. Only databases with `auto_vacuum` can do that: those that this version
 * has made, or that were restored from a backup.
 */
export async function compact<T>(db: Kysely<T>): Promise<void> {
  let before = Number.POSITIVE_INFINITY;
  for (;;) {
    const { free, pages } = await pageCounts(db);
    if (free <= pages / keptPart || free >= before) return;
    before = free;
    await sql.raw(`pragma incremental_vacuum(${stepPages})`).execute(db);
    await endOfTurn();
  }
}

async function pageCounts<T>(db: Kysely<T>): Promise<{ free: number; pages: number }> {
  const { rows } = await sql<{ free: number; pages: number }>`
    select freelist_count as free, page_count as pages from pragma_freelist_count(), pragma_page_count()`.execute(db);
  return rows[0] ?? { free: 0, pages: 0 };
}
