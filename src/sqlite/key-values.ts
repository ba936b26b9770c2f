import type { Kysely, Transaction } from 'kysely';
import { TidepoolError } from '../domain/errors.ts';
import type {
  KeyValueAnswer,
  KeyValueLimits,
  KeyValueRelay,
  KeyValueRequest,
  KeyValueStore,
} from '../domain/service.ts';
import type { GroupCommit } from './group-commit.ts';
import { type DoneWrites, readRelay, writeRelay } from './key-value-relays.ts';
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
    apply: (service, requests, relay) => group.run((tx) => apply(tx, limits, service, requests, relay)),
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
  relay: KeyValueRelay | undefined,
): Promise<KeyValueAnswer[]> {
  const before = await tx
    .selectFrom('service')
    .select(['key_count as keys', 'key_value_bytes as bytes'])
    .where('name', '=', service)
    .executeTakeFirst();
  if (before === undefined) throw new TidepoolError('not_found', `there is no service ${service}`);
  const batch = new Batch(
    service,
    limits,
    before,
    await read(tx, service, [...new Set(requests.map(({ key }) => key))]),
  );
  const done = relay === undefined ? undefined : await readRelay(tx, service, relay);
  const answers = requests.map((request) => carryOutOnce(batch, done, request));
  if (batch.changed.size > 0) await write(tx, service, batch.changed, batch);
  if (relay !== undefined && done?.isChanged === true) await writeRelay(tx, service, relay, done);
  return answers;
}

/** A write that its relay sends again is answered as the first time and changes nothing. */
function carryOutOnce(batch: Batch, done: DoneWrites | undefined, request: KeyValueRequest): KeyValueAnswer {
  const { id, op, key, value } = request;
  if (id === undefined || done === undefined || op === 'get') return batch.carryOut(request);
  if (done.has(id)) return op === 'delete' ? undefined : value;
  const stands = batch.has(key);
  const answer = batch.carryOut(request);
  // What was refused, and an `add` that found a value, did nothing; that may be done when it comes again.
  done.note(id, !(answer instanceof TidepoolError) && !(op === 'add' && stands));
  return answer;
}

/** The values that stood before, and what a batch makes of them. */
class Batch {
  readonly #service: string;
  readonly #limits: KeyValueLimits;
  readonly #values: Map<string, Uint8Array>;
  readonly changed = new Map<string, Uint8Array | undefined>();
  /** Of the whole service. */
  keys: number;
  bytes: number;

  constructor(
    service: string,
    limits: KeyValueLimits,
    before: { readonly keys: number; readonly bytes: number },
    values: Map<string, Uint8Array>,
  ) {
    this.#service = service;
    this.#limits = limits;
    this.#values = values;
    this.keys = before.keys;
    this.bytes = before.bytes;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  carryOut({ op, key, value }: KeyValueRequest): KeyValueAnswer {
    const old = this.#values.get(key);
    if (op === 'get' || (op === 'add' && old !== undefined)) return old;
    const next = op === 'delete' ? undefined : (value ?? new Uint8Array());
    if (old === undefined && next === undefined) return undefined;
    const keysAdded = (next === undefined ? 0 : 1) - (old === undefined ? 0 : 1);
    const bytesAdded = entryBytes(key, next) - entryBytes(key, old);
    const refusal = this.#refusal(keysAdded, bytesAdded);
    if (refusal !== undefined) return refusal;
    this.keys += keysAdded;
    this.bytes += bytesAdded;
    if (next === undefined) this.#values.delete(key);
    else this.#values.set(key, next);
    this.changed.set(key, next);
    return next;
  }

  /** A store that is over its limit may still shrink. */
  #refusal(keysAdded: number, bytesAdded: number): TidepoolError | undefined {
    const { maxKeys, maxBytes } = this.#limits;
    const full = `the store of ${this.#service} is full: it may have`;
    if (keysAdded > 0 && this.keys + keysAdded > maxKeys)
      return new TidepoolError('exhausted', `${full} ${maxKeys} keys`);
    if (bytesAdded > 0 && this.bytes + bytesAdded > maxBytes)
      return new TidepoolError('exhausted', `${full} ${maxBytes} bytes`);
    return undefined;
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
