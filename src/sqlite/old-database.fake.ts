import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { sqliteDialect } from './dialect.ts';
import { migrate } from './migrate.ts';
import { queueLevels } from './queue-block-schema.ts';
import { migrations } from './schema.ts';

/** Makes a database of an earlier Tidepool, with the migrations before `next` and some rows in each table. */
export async function makeOldDatabase(path: string, next: string): Promise<void> {
  const db = new Kysely({ dialect: sqliteDialect(path) });
  const old = Object.fromEntries(Object.entries(migrations).filter(([name]) => name < next));
  await migrate(db, { path, migrations: old, log: () => undefined });
  await db.destroy();
  fill(path);
}

/** Returns how many rows each table has. */
export function countRows(path: string): Record<string, number> {
  const database = new DatabaseSync(path);
  try {
    return Object.fromEntries(tablesOf(database).map((table) => [table, count(database, table)]));
  } finally {
    database.close();
  }
}

function count(database: DatabaseSync, table: string): number {
  // Counters at levels that are not kept any more may go.
  const which = table === 'queue_block' ? `where level in (${queueLevels.join(', ')})` : '';
  return Number(database.prepare(`select count(*) as rows from "${table}" ${which}`).get()?.rows);
}

function tablesOf(database: DatabaseSync): string[] {
  const query = `select name from sqlite_master where type = 'table' and name not glob 'sqlite_*'
    and name not glob 'kysely_*' order by name`;
  return database
    .prepare(query)
    .all()
    .map(({ name }) => String(name));
}

const rowsPerTable = 3;

function fill(path: string): void {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  for (const table of tablesOf(database)) {
    const columns = database.prepare(`select name, type from pragma_table_info('${table}')`).all();
    const places = columns.map(() => '?').join(', ');
    // Triggers of the schema may have written some of them already.
    const insert = database.prepare(`insert or ignore into "${table}" values (${places})`);
    for (let row = 1; row <= rowsPerTable; row += 1) {
      insert.run(...columns.map(({ name, type }) => cell(String(name), String(type), row)));
    }
  }
  database.close();
}

function cell(column: string, type: string, row: number): string | number | Uint8Array {
  if (column.endsWith('_json')) return `{"runtime":"python","limits":{"cpus":1,"memoryBytes":1,"timeoutMs":1}}`;
  // A level that every version of the counters has; those of other levels are removed by 0017.
  if (column === 'level') return 0;
  if (column === 'state') return ['queued', 'running', 'succeeded'][row % rowsPerTable] ?? '';
  if (type.toLowerCase() === 'blob') return Uint8Array.of(row);
  return type.toLowerCase() === 'text' ? `${column}-${row}` : row;
}
