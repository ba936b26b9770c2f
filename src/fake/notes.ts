import type { PoolNote } from '../domain/pool.ts';

/** A note in memory that outlives who writes it, as one in the store does. Reads and writes can be made to fail. */
export class FakeNotes {
  note: PoolNote | undefined;
  /** Number of writes that came. */
  writes = 0;
  error: Error | undefined;

  async read(): Promise<PoolNote | undefined> {
    if (this.error !== undefined) throw this.error;
    // As it would come out of a database.
    return this.note === undefined ? undefined : JSON.parse(JSON.stringify(this.note));
  }

  async write(note: PoolNote): Promise<void> {
    this.writes += 1;
    if (this.error !== undefined) throw this.error;
    this.note = note;
  }
}
