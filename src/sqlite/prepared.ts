import type { Compilable, CompiledQuery, Kysely, QueryResult, Transaction } from 'kysely';
import type { Tables } from './schema.ts';

/** Stands in a statement for a value that each run gives. */
class Place {
  readonly name: PropertyKey;

  constructor(name: PropertyKey) {
    this.name = name;
  }
}

type PlaceOf<Values> = <Name extends keyof Values>(name: Name) => Values[Name];

/**
 * A statement that is built and compiled once, with other values at each run: to build one takes longer than SQLite takes to
 * run it. For what every job needs several times.
 */
export class Prepared<Values extends object, Row = unknown> {
  readonly #build: (db: Kysely<Tables>, place: PlaceOf<Values>) => Compilable<Row>;
  #compiled: CompiledQuery<Row> | undefined;

  /** @param build called once; `place` returns what stands for a value of each run */
  constructor(build: (db: Kysely<Tables>, place: PlaceOf<Values>) => Compilable<Row>) {
    this.#build = build;
  }

  /** Runs the statement, in the transaction when one is given. */
  run(db: Kysely<Tables> | Transaction<Tables>, values: Values): Promise<QueryResult<Row>> {
    this.#compiled ??= this.#build(db, (name) => new Place(name) as never).compile();
    const { parameters } = this.#compiled;
    const given = parameters.map((value) => (value instanceof Place ? values[value.name as keyof Values] : value));
    return db.executeQuery({ ...this.#compiled, parameters: given });
  }

  /** Returns its first row. */
  async first(db: Kysely<Tables> | Transaction<Tables>, values: Values): Promise<Row | undefined> {
    return (await this.run(db, values)).rows[0];
  }
}
