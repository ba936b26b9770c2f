import { DatabaseSync } from 'node:sqlite';
import { withFaults } from './faults.ts';

/** Opens a database file for one use. Errors: those of SQLite, as errors with a code. */
export function withDatabase<T>(
  path: string | URL,
  options: { readOnly?: boolean; timeout?: number },
  use: (database: DatabaseSync) => T,
): T {
  return withFaults(() => {
    const database = new DatabaseSync(path, options);
    try {
      return use(database);
    } finally {
      database.close();
    }
  });
}
