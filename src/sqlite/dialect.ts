import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { type SqliteDatabase, SqliteDialect, type SqliteStatement } from 'kysely';

/** Kysely on Node's built-in SQLite: only the four calls that Kysely's SQLite driver makes. */
export function sqliteDialect(path: string): SqliteDialect {
  return new SqliteDialect({ database: async () => adapt(openDatabase(path)) });
}

/**
 * WAL with synchronous FULL: a resolved write survives a power cut. The exclusive lock keeps a second server out of the
 * same data folder; the kernel drops it when we are killed.
 */
function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 1_000 });
  try {
    database.exec(`
    pragma locking_mode = exclusive;
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma foreign_keys = on;
    begin immediate; commit;
  `);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The program has far fewer kinds of statement; lists of values in them make more. */
const keptStatements = 300;

/** Preparing a statement costs as much as running it, so they are kept, the ones last used. */
function adapt(database: DatabaseSync): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>();
  return {
    close: () => database.close(),
    prepare(sql): SqliteStatement {
      const statement = statements.get(sql) ?? prepare(database, sql);
      statements.delete(sql);
      statements.set(sql, statement);
      if (statements.size > keptStatements) statements.delete(statements.keys().next().value ?? sql);
      return statement;
    },
  };
}

function prepare(database: DatabaseSync, sql: string): SqliteStatement {
  const statement = database.prepare(sql);
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...parameters.map(inputValue)),
    run: (parameters) => statement.run(...parameters.map(inputValue)),
    iterate: (parameters) => statement.iterate(...parameters.map(inputValue)),
  };
}

function inputValue(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return value;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`a ${typeof value} cannot be bound to a SQL statement`);
}
