import type { Kysely, Transaction } from 'kysely';

type Work<Tables, T> = (tx: Transaction<Tables>) => Promise<T>;

interface Waiting<Tables> {
  readonly work: Work<Tables, unknown>;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** A transaction keeps everybody else waiting, so it has an end. */
const groupSize = 500;

/** Resolves when all that arrived in this turn of the event loop has been handled. */
export function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Group commit: writes that come at the same time share one transaction, and so one flush to the disk, which is what a
 * durable write costs most. Each caller still waits until its own write is on the disk.
 *
 * When one of a group fails, the group is rolled back and each is done again in a transaction of its own, so that only
 * the one that fails is told so. A piece of work may therefore run twice, and touches nothing but the database.
 */
export class GroupCommit<Tables> {
  readonly #db: Kysely<Tables>;
  readonly #gather: () => Promise<void>;
  #waiting: Waiting<Tables>[] = [];
  #running: Promise<void> | undefined;

  /** @param gather resolves when a group has had time to come together */
  constructor(db: Kysely<Tables>, gather: () => Promise<void>) {
    this.#db = db;
    this.#gather = gather;
  }

  /** Runs the work in a transaction; resolves with its value when that is committed. */
  run<T>(work: Work<Tables, T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve: resolve as (value: unknown) => void, reject });
      this.#running ??= this.#drain();
    });
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#gather();
      const group = this.#waiting.splice(0, groupSize);
      if (!(await this.#commit(group))) for (const one of group) await this.#commitAlone(one);
    }
    this.#running = undefined;
  }

  async #commit(group: readonly Waiting<Tables>[]): Promise<boolean> {
    try {
      const values = await this.#db.transaction().execute(async (tx) => {
        const done: unknown[] = [];
        for (const { work } of group) done.push(await work(tx));
        return done;
      });
      for (const [index, one] of group.entries()) one.resolve(values[index]);
      return true;
    } catch {
      return false;
    }
  }

  async #commitAlone({ work, resolve, reject }: Waiting<Tables>): Promise<void> {
    try {
      resolve(await this.#db.transaction().execute(work));
    } catch (error) {
      reject(error);
    }
  }
}
