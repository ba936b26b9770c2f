import { type Kysely, type Migration, sql, type Transaction } from 'kysely';
import type { KeyValueRelay } from '../domain/service.ts';
import { maxStoreWaiting } from '../protocol/agent-service.ts';

/** What is known of the relays on VMs: which of the writes that they may send again were carried out. */
export interface KeyValueRelayTables {
  key_value_relay: { service: string; relay: string; through_id: number; undone_json: string; seen_at_ms: number };
}

export const keyValueRelayMigration: Migration = {
  async up(db: Kysely<KeyValueRelayTables>): Promise<void> {
    const statement = `create table key_value_relay (
      service text not null references service (name) on delete cascade, relay text not null, through_id integer not null,
      undone_json text not null, seen_at_ms integer not null, primary key (service, relay)) without rowid`;
    await sql.raw(statement).execute(db);
  },
};

/** More than a service has VMs; each start of an agent is a new one. */
const keptRelays = 1_000;

type Tx = Transaction<KeyValueRelayTables>;

/**
 * Writes of one relay that were carried out: all up to the highest number, but for those that did nothing. They are sent in
 * their order, so only the last `maxStoreWaiting` can come again.
 */
export class DoneWrites {
  #throughId: number;
  #undone: Set<number>;
  isChanged = false;

  constructor(throughId: number, undone: Iterable<number>) {
    this.#throughId = throughId;
    this.#undone = new Set(undone);
  }

  has(id: number): boolean {
    return id <= this.#throughId && !this.#undone.has(id);
  }

  note(id: number, isDone: boolean): void {
    if (!isDone && id > this.#throughId) {
      // Without a write nothing has to be written down: what comes next tells of it.
      this.#undone.add(id);
      return;
    }
    if (!isDone) return;
    this.isChanged = true;
    this.#undone.delete(id);
    this.#throughId = Math.max(this.#throughId, id);
  }

  get row(): { through_id: number; undone_json: string } {
    const undone = [...this.#undone].filter((id) => id < this.#throughId && id > this.#throughId - maxStoreWaiting);
    return { through_id: this.#throughId, undone_json: JSON.stringify(undone) };
  }
}

/** Returns which writes of a relay were carried out. */
export async function readRelay(tx: Tx, service: string, relay: KeyValueRelay): Promise<DoneWrites> {
  const query = tx.selectFrom('key_value_relay').select(['through_id', 'undone_json']);
  const row = await query.where('service', '=', service).where('relay', '=', relay.name).executeTakeFirst();
  const undone: number[] = row === undefined ? [] : JSON.parse(row.undone_json);
  return new DoneWrites(row?.through_id ?? 0, [...undone, ...relay.refused]);
}

/** Writes down which writes of a relay were carried out; the relays that were heard last are kept. */
export async function writeRelay(tx: Tx, service: string, relay: KeyValueRelay, done: DoneWrites): Promise<void> {
  const changes = { ...done.row, seen_at_ms: relay.nowMs };
  const own = { service, relay: relay.name };
  const query = tx.updateTable('key_value_relay').set(changes).where('service', '=', service);
  const { numUpdatedRows } = await query.where('relay', '=', relay.name).executeTakeFirst();
  if (numUpdatedRows > 0n) return;
  await tx
    .insertInto('key_value_relay')
    .values({ ...own, ...changes })
    .execute();
  const old = tx.selectFrom('key_value_relay').select('relay').where('service', '=', service);
  await tx
    .deleteFrom('key_value_relay')
    .where('service', '=', service)
    .where('relay', 'in', old.orderBy('seen_at_ms', 'desc').limit(-1).offset(keptRelays))
    .execute();
}
