import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Tables } from './schema.ts';

/** Keys of one `in (...)`: SQLite takes 32,766 in all. */
const listed = 1_000;

export interface KeptRowsOptions<T> {
  /** Name of the table; its rows are known by the text column `key`. */
  readonly table: string;
  readonly key: string;
  /** SQL that says whether a row (`old` or `new`) belongs to those that are kept. */
  belongs(row: 'old' | 'new'): string;
  /** Reads kept rows, all or those with these keys, as they are in the database. */
  read(keys: RawBuilder<boolean>): Promise<T[]>;
  keyOf(value: T): string;
  /** Name of the group that a value is found by. */
  groupOf(value: T): string;
  /** Order of the values: below 0 when `a` comes first. */
  compare(a: T, b: T): number;
}

/**
 * Rows that loops read many times a second, in memory. Triggers of this connection note the keys of the rows that change,
 * whoever changes them, within the same transaction; a reading then asks the database for those rows alone. No other
 * process can change them: the database is locked for ours.
 */
export class KeptRows<T> {
  readonly #db: Kysely<Tables>;
  readonly #options: KeptRowsOptions<T>;
  /** Readings come one after the other: each sees all that was written before it began. */
  #last: Promise<unknown> = Promise.resolve();
  #isLoaded = false;
  #all: readonly T[] = [];
  /** Keys of the values in which `all` is out of date. */
  #stale = new Set<string>();
  #byGroup: ReadonlyMap<string, readonly T[]> = new Map();
  #byKey = new Map<string, T>();

  /** @param db outside of any transaction */
  constructor(db: Kysely<Tables>, options: KeptRowsOptions<T>) {
    this.#db = db;
    this.#options = options;
  }

  /** All values, in their order. The list stays as it is: the next reading makes another one when something has changed. */
  all(): Promise<readonly T[]> {
    return this.#read(() => {
      if (this.#stale.size > 0) this.#mergeStale();
      return this.#all;
    });
  }

  /** The same by groups. The list of a group in which nothing has changed is the same at the next reading. */
  byGroup(): Promise<ReadonlyMap<string, readonly T[]>> {
    return this.#read(() => this.#byGroup);
  }

  #read<R>(result: () => R): Promise<R> {
    const reading = this.#last.then(async () => {
      if (!this.#isLoaded) await this.#load();
      else await this.#refresh();
      return result();
    });
    this.#last = reading.catch(() => undefined);
    return reading;
  }

  async #load(): Promise<void> {
    const { table, key, belongs, read, keyOf } = this.#options;
    const changed = `changed_${table}`;
    const note = (row: 'old' | 'new'): string =>
      `insert or ignore into ${changed} select ${row}.${key} where ${belongs(row)};`;
    const statements = [
      'pragma temp_store = memory',
      `create temp table if not exists ${changed} (key text primary key) without rowid`,
      `create temp trigger if not exists ${changed}_insert after insert on main.${table} begin ${note('new')} end`,
      `create temp trigger if not exists ${changed}_update after update on main.${table} begin ${note('old')} ${note('new')} end`,
      `create temp trigger if not exists ${changed}_delete after delete on main.${table} begin ${note('old')} end`,
      `delete from ${changed}`,
    ];
    for (const statement of statements) await sql.raw(statement).execute(this.#db);
    this.#byKey = new Map((await read(sql<boolean>`true`)).map((value) => [keyOf(value), value]));
    this.#all = [...this.#byKey.values()].sort(this.#options.compare);
    this.#stale.clear();
    this.#byGroup = Map.groupBy(this.#all, this.#options.groupOf);
    this.#isLoaded = true;
  }

  async #refresh(): Promise<void> {
    const { table, key, read, keyOf } = this.#options;
    const query = sql<{ key: string }>`delete from ${sql.table(`changed_${table}`)} returning key`;
    const keys = (await query.execute(this.#db)).rows.map((row) => row.key);
    if (keys.length === 0) return;
    // When a reading fails, the notes are gone: all is read again.
    this.#isLoaded = false;
    const fresh: T[] = [];
    for (let at = 0; at < keys.length; at += listed) {
      const some = sql<boolean>`${sql.ref(key)} in (select value from json_each(${JSON.stringify(keys.slice(at, at + listed))}))`;
      fresh.push(...(await read(some)));
    }
    this.#replace(new Set(keys), fresh.sort(this.#options.compare), keyOf);
    this.#isLoaded = true;
  }

  #replace(keys: ReadonlySet<string>, fresh: readonly T[], keyOf: (value: T) => string): void {
    const { compare, groupOf } = this.#options;
    const groups = new Set<string>();
    for (const key of keys) {
      const old = this.#byKey.get(key);
      if (old === undefined) continue;
      groups.add(groupOf(old));
      this.#byKey.delete(key);
    }
    for (const value of fresh) {
      groups.add(groupOf(value));
      this.#byKey.set(keyOf(value), value);
    }
    for (const key of keys) this.#stale.add(key);
    const isGone = (value: T): boolean => keys.has(keyOf(value));
    const byGroup = new Map(this.#byGroup);
    for (const group of groups) {
      const own = fresh.filter((value) => groupOf(value) === group);
      const values = merged(byGroup.get(group) ?? [], own, isGone, compare);
      if (values.length === 0) byGroup.delete(group);
      else byGroup.set(group, values);
    }
    this.#byGroup = byGroup;
  }

  #mergeStale(): void {
    const { compare, keyOf } = this.#options;
    const fresh = [...this.#stale].map((key) => this.#byKey.get(key)).filter((value) => value !== undefined);
    this.#all = merged(this.#all, fresh.sort(compare), (value) => this.#stale.has(keyOf(value)), compare);
    this.#stale.clear();
  }
}

/** Both ordered lists as one, without the old values that are gone. */
function merged<T>(
  old: readonly T[],
  fresh: readonly T[],
  isGone: (value: T) => boolean,
  compare: (a: T, b: T) => number,
): T[] {
  const all: T[] = [];
  let at = 0;
  for (const value of old) {
    if (isGone(value)) continue;
    for (let next = fresh[at]; next !== undefined && compare(next, value) < 0; next = fresh[at]) {
      all.push(next);
      at += 1;
    }
    all.push(value);
  }
  for (const value of fresh.slice(at)) all.push(value);
  return all;
}
