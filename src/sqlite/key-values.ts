import type { Kysely, Transaction } from 'kysely';
import { TidepoolError } from '../domain/errors.ts';
import type { KeyValueLimits, KeyValueRequest, KeyValueStore } from '../domain/service.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Tables } from './schema.ts';

type Tx = Transaction<Tables>;

/** A statement may have some 32,000 parameters; a row of key_value has three. */
const rowsPerStatement = 5_000;

/**
 * KeyValueStore on SQL. A batch costs the same few statements whatever its size: what it names is read at once, the batch is
 * carried out in memory, and what it changed is written at once. Batches that come at the same time, from several VMs, share
 * a flush to the disk.
 */
export function sqlKeyValueStore(
  db: Kysely<Tables>,
  group: GroupCommit<Tables>,
  limits: KeyValueLimits,
): KeyValueStore {
  return {
    apply: (service, requests) => group.run((tx) => apply(tx, limits, service, requests)),
    async count(service) {
      const query = db.selectFrom('service').select('key_count').where('name', '=', service);
      return (await query.executeTakeFirst())?.key_count ?? 0;
    },
  };
}

async function apply(
  tx: Tx,
  limits: KeyValueLimits,
  service: string,
  requests: readonly KeyValueRequest[],
): Promise<(Uint8Array | undefined)[]> {
  const before = await tx
    .selectFrom('service')
    .select(['key_count as keys', 'key_value_bytes as bytes'])
    .where('name', '=', service)
    .executeTakeFirst();
  if (before === undefined) throw new TidepoolError('not_found', `there is no service ${service}`);
  const batch = new Batch(await read(tx, service, [...new Set(requests.map(({ key }) => key))]));
  const answers = requests.map((request) => batch.carryOut(request));
  const after = { keys: before.keys + batch.keysAdded, bytes: before.bytes + batch.bytesAdded };
  // What is over the limit may still shrink.
  if (after.keys > limits.maxKeys && batch.keysAdded > 0)
    throw new TidepoolError('exhausted', `the store of ${service} is full: it may have ${limits.maxKeys} keys`);
  if (after.bytes > limits.maxBytes && batch.bytesAdded > 0)
    throw new TidepoolError('exhausted', `the store of ${service} is full: it may have ${limits.maxBytes} bytes`);
  if (batch.changed.size > 0) await write(tx, service, batch.changed, after);
  return answers;
}

/** What stood before, and what a batch makes of it. */
class Batch {
  readonly #values: Map<string, Uint8Array>;
  readonly changed = new Map<string, Uint8Array | undefined>();
  keysAdded = 0;
  bytesAdded = 0;

  constructor(values: Map<string, Uint8Array>) {
    this.#values = values;
  }

  carryOut({ op, key, value }: KeyValueRequest): Uint8Array | undefined {
    const old = this.#values.get(key);
    if (op === 'get' || (op === 'add' && old !== undefined)) return old;
    const next = op === 'delete' ? undefined : (value ?? new Uint8Array());
    if (old === undefined && next === undefined) return undefined;
    this.keysAdded += (next === undefined ? 0 : 1) - (old === undefined ? 0 : 1);
    this.bytesAdded += entryBytes(key, next) - entryBytes(key, old);
    if (next === undefined) this.#values.delete(key);
    else this.#values.set(key, next);
    this.changed.set(key, next);
    return next;
  }
}

function entryBytes(key: string, value: Uint8Array | undefined): number {
  return value === undefined ? 0 : Buffer.byteLength(key) + value.length;
}

async function read(tx: Tx, service: string, keys: readonly string[]): Promise<Map<string, Uint8Array>> {
  const values = new Map<string, Uint8Array>();
  for (const some of chunks(keys)) {
    const query = tx.selectFrom('key_value').select(['key', 'value']).where('service', '=', service);
    for (const row of await query.where('key', 'in', some).execute()) values.set(row.key, row.value);
  }
  return values;
}

async function write(
  tx: Tx,
  service: string,
  changed: ReadonlyMap<string, Uint8Array | undefined>,
  after: { readonly keys: number; readonly bytes: number },
): Promise<void> {
  const rows = [...changed].flatMap(([key, value]) => (value === undefined ? [] : [{ service, key, value }]));
  for (const some of chunks(rows)) {
    const query = tx.insertInto('key_value').values(some);
    await query
      .onConflict((conflict) =>
        conflict.columns(['service', 'key']).doUpdateSet((e) => ({ value: e.ref('excluded.value') })),
      )
      .execute();
  }
  const gone = [...changed].flatMap(([key, value]) => (value === undefined ? [key] : []));
  for (const some of chunks(gone))
    await tx.deleteFrom('key_value').where('service', '=', service).where('key', 'in', some).execute();
  const sums = { key_count: after.keys, key_value_bytes: after.bytes };
  await tx.updateTable('service').set(sums).where('name', '=', service).execute();
}

function chunks<T>(items: readonly T[]): T[][] {
  const all: T[][] = [];
  for (let at = 0; at < items.length; at += rowsPerStatement) all.push(items.slice(at, at + rowsPerStatement));
  return all;
}
