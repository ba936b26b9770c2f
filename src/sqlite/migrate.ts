import { type Kysely, type Migration, sql } from 'kysely';
import { TidepoolError } from '../domain/errors.ts';
import { copyOnce, endUpgrade } from './migration-copy.ts';

// Every database that exists has this table of Kysely's own migrator, so its name and columns stay.
interface MigrationTable {
  kysely_migration: { name: string; timestamp: string };
}

/** Settings of a migration run. */
export interface MigrateOptions {
  /** Database file, or `:memory:`. */
  readonly path: string;
  readonly migrations: Readonly<Record<string, Migration>>;
  log(message: string): void;
}

/**
 * Brings the database to the newest schema. Each migration, with the note that it is done, is one transaction: a kill or
 * a power cut at any statement leaves the database as it was before that migration, and the next start does it again.
 * A database with rows is copied first, once for all starts that an upgrade takes. Errors: `conflict` (a newer Tidepool wrote the database), `exhausted` (no room).
 */
export async function migrate<T>(db: Kysely<T>, { path, migrations, log }: MigrateOptions): Promise<void> {
  const applied = await appliedMigrations(db);
  const names = Object.keys(migrations).sort();
  await refuseNewer(db, path, applied, names);
  const pending = names.filter((name) => !applied.includes(name));
  const [first] = pending;
  if (first === undefined) return;
  const isCopied = path !== ':memory:' && applied.length > 0;
  if (isCopied) {
    const copy = await copyOnce(db, path, applied, first);
    log(
      copy === undefined
        ? 'an upgrade of the database goes on'
        : `the database is copied to ${copy} before it is upgraded`,
    );
  }
  for (const name of pending) {
    await applyOne(db, name, migrations[name] as Migration);
    if (applied.length > 0) log(`the database is upgraded: ${name}`);
  }
  if (isCopied) await endUpgrade(path);
}

/** Names of the migrations that this database has had. */
export async function appliedMigrations<T>(db: Kysely<T>): Promise<string[]> {
  const table = await sql`select name from sqlite_master where name = 'kysely_migration'`.execute(db);
  if (table.rows.length === 0) return [];
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  return rows.map(({ name }) => name);
}

/** `0012-years` is 12. */
function numberOf(name: string): number {
  return Number.parseInt(name, 10);
}

async function refuseNewer<T>(
  db: Kysely<T>,
  path: string,
  applied: readonly string[],
  names: readonly string[],
): Promise<void> {
  const { rows } = await sql<{ user_version: number }>`pragma user_version`.execute(db);
  const version = rows[0]?.user_version ?? 0;
  const newest = Math.max(0, ...names.map(numberOf));
  const unknown = applied.filter((name) => !names.includes(name)).at(-1);
  if (unknown === undefined && version <= newest) return;
  throw new TidepoolError(
    'conflict',
    `the database ${path} was written by a newer Tidepool (migration ${unknown ?? version}; this one ends at ` +
      `${names.at(-1) ?? 0}); start that version, or restore a backup or the copy that its upgrade has left beside it`,
  );
}

async function applyOne<T>(db: Kysely<T>, name: string, migration: Migration): Promise<void> {
  await db.connection().execute(async (connection) => {
    await sql`begin immediate`.execute(connection);
    try {
      await migration.up(connection);
      await note(connection as unknown as Kysely<MigrationTable>, name);
      await sql`commit`.execute(connection);
    } catch (error) {
      await sql`rollback`.execute(connection);
      throw error;
    }
  });
}

async function note(db: Kysely<MigrationTable>, name: string): Promise<void> {
  await sql`create table if not exists kysely_migration (
    name varchar(255) not null primary key, timestamp varchar(255) not null)`.execute(db);
  await sql`insert into kysely_migration values (${name}, strftime('%Y-%m-%dT%H:%M:%fZ'))`.execute(db);
  const { rows } = await sql<{ newest: string }>`select max(name) as newest from kysely_migration`.execute(db);
  await sql.raw(`pragma user_version = ${numberOf(rows[0]?.newest ?? name)}`).execute(db);
}
