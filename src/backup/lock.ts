import { hasCode } from '../domain/errors.ts';
import type { DatabaseTools } from './context.ts';

/**
 * Keeps others out of a folder of backups until the returned function is called. Returns undefined for a folder that cannot be
 * written to, or whose disk is full: nobody changes it, so it needs no lock. Error: `conflict`.
 */
export function lockUnlessReadOnly(dir: string, database: Pick<DatabaseTools, 'lock'>): (() => void) | undefined {
  try {
    return database.lock(dir);
  } catch (error) {
    if (hasCode(error, 'unavailable') || hasCode(error, 'exhausted')) return undefined;
    throw error;
  }
}
