import { CompiledQuery, type Kysely, type Transaction } from 'kysely';
import { endOfTurn, type Pace } from './pace.ts';

type Work<Tables, T> = (tx: Transaction<Tables>) => Promise<T>;

interface Waiting<Tables> {
  readonly work: Work<Tables, unknown>;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

// Compiled once: each write runs two of them.
const savepoint = CompiledQuery.raw('savepoint piece');
const release = CompiledQuery.raw('release piece');
const rollback = CompiledQuery.raw('rollback to piece');

/** A transaction keeps all other statements waiting, so it has an end. */
const groupSize = 500;

/**
 * Group commit: writes that come at the same time share one transaction, and so one flush to the disk, which is what a
 * durable write costs most. Each caller still waits until its own write is on the disk.
 *
 * Each piece of work stands in a savepoint of its own: one that fails is undone and rejected alone, and the others share
 * their flush all the same. Where the transaction itself has failed (a full or broken disk), all of the group are
 * rejected with that cause, and nobody is tried again. A piece of work runs once, and touches nothing but the database.
 */
export class GroupCommit<Tables> {
  readonly #db: Kysely<Tables>;
  readonly #pace: Pace | undefined;
  #waiting: Waiting<Tables>[] = [];
  #running: Promise<void> | undefined;

  /** @param pace of the database; none for one in memory, where there is no flush to share */
  constructor(db: Kysely<Tables>, pace?: Pace) {
    this.#db = db;
    this.#pace = pace;
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
      // Even without a turn those who come at the same time make a group.
      await (this.#pace === undefined ? undefined : endOfTurn());
      const group = this.#waiting.splice(0, groupSize);
      await this.#commit(group);
    }
    this.#running = undefined;
  }

  async #commit(group: readonly Waiting<Tables>[]): Promise<void> {
    const settle: (() => void)[] = [];
    try {
      await this.#db.transaction().execute(async (tx) => {
        for (const one of group) {
          await this.#pace?.next();
          settle.push(await carryOut(tx, one));
        }
      });
      for (const tell of settle) tell();
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}

/**
 * Carries out one piece of work; returns what tells its caller of the outcome once that is committed. Throws when the
 * transaction has ended under it.
 */
async function carryOut<Tables>(
  tx: Transaction<Tables>,
  { work, resolve, reject }: Waiting<Tables>,
): Promise<() => void> {
  await tx.executeQuery(savepoint);
  let value: unknown;
  try {
    value = await work(tx);
  } catch (error) {
    await undo(tx, error);
    return () => reject(error);
  }
  await tx.executeQuery(release);
  return () => resolve(value);
}

async function undo<Tables>(tx: Transaction<Tables>, cause: unknown): Promise<void> {
  try {
    await tx.executeQuery(rollback);
    await tx.executeQuery(release);
  } catch {
    // There is no savepoint any more: SQLite has rolled the whole transaction back, and the cause says why.
    throw cause;
  }
}
