import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import {
  type SqliteDatabase,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
  type SqliteStatement,
} from 'kysely';
import { withFaults } from './faults.ts';
import type { Pace } from './pace.ts';

/**
 * Kysely on Node's built-in SQLite: only the four calls that Kysely's SQLite driver makes.
 * @param onOpen receives the database when it is open, for what Kysely has no call for
 * @param pace for statements one after the other
 */
export function sqliteDialect(
  path: string,
  onOpen: (database: DatabaseSync) => void = () => undefined,
  pace?: Pace,
): SqliteDialect {
  const config: SqliteDialectConfig = {
    async database() {
      const database = openDatabase(path);
      onOpen(database);
      return adapt(database);
    },
  };
  return pace === undefined ? new SqliteDialect(config) : new PacedDialect(config, pace);
}

class PacedDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig;
  readonly #pace: Pace;

  constructor(config: SqliteDialectConfig, pace: Pace) {
    super(config);
    this.#config = config;
    this.#pace = pace;
  }

  override createDriver(): SqliteDriver {
    return new PacedDriver(this.#config, this.#pace);
  }
}

/** Whoever gets the connection, for a statement or a transaction, begins in the next turn when this one has taken long. */
class PacedDriver extends SqliteDriver {
  readonly #pace: Pace;

  constructor(config: SqliteDialectConfig, pace: Pace) {
    super(config);
    this.#pace = pace;
  }

  override async acquireConnection(): ReturnType<SqliteDriver['acquireConnection']> {
    const connection = await super.acquireConnection();
    await this.#pace.next();
    return connection;
  }
}

/**
 * WAL with synchronous FULL: a resolved write survives a power cut. The exclusive lock keeps a second server out of the
 * same data folder; the kernel drops it when we are killed. It would also drop it if any other code of this process
 * opened and closed the file, so nobody does: copies are made through this connection.
 */
function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 1_000 });
  try {
    database.exec(`
    pragma locking_mode = exclusive;
    pragma auto_vacuum = incremental;
    pragma journal_mode = wal;
    pragma journal_size_limit = ${keptLogBytes};
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

/** The write-ahead log is cut back to this size after a transaction that made it larger. */
const keptLogBytes = 64 * 1024 * 1024;

/** The program has far fewer kinds of statement; lists of values in them make more. */
const keptStatements = 300;

/** Preparing a statement costs as much as running it, so they are kept, the ones last used. */
function adapt(database: DatabaseSync): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>();
  return {
    close: () => database.close(),
    prepare(sql): SqliteStatement {
      // A full or broken disk has ended the transaction already, and the error of a second end would hide its error.
      if (sql === 'rollback' && !database.isTransaction) return nothing;
      const statement = statements.get(sql) ?? prepare(database, sql);
      statements.delete(sql);
      statements.set(sql, statement);
      if (statements.size > keptStatements) statements.delete(statements.keys().next().value ?? sql);
      return statement;
    },
  };
}

const nothing: SqliteStatement = {
  reader: false,
  all: () => [],
  run: () => ({ changes: 0, lastInsertRowid: 0 }),
  iterate: () => [].values(),
};

function prepare(database: DatabaseSync, sql: string): SqliteStatement {
  const statement = withFaults(() => database.prepare(sql));
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => withFaults(() => statement.all(...parameters.map(inputValue))),
    run: (parameters) => withFaults(() => statement.run(...parameters.map(inputValue))),
    iterate: (parameters) => withFaults(() => statement.iterate(...parameters.map(inputValue))),
  };
}

function inputValue(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return value;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`a ${typeof value} cannot be bound to a SQL statement`);
}
