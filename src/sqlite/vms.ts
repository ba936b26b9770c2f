import type { Kysely, Selectable, Updateable } from 'kysely';
import { TidepoolError } from '../domain/errors.ts';
import type { VmFacts, VmMove, VmStore } from '../domain/store.ts';
import type { Vm, VmState } from '../domain/vm.ts';
import { agentSlots } from '../protocol/agent.ts';
import type { GroupCommit } from './group-commit.ts';
import { KeptRows } from './kept-rows.ts';
import { Prepared } from './prepared.ts';
import { isActive } from './queue.ts';
import type { Tables } from './schema.ts';

type Row = Selectable<Tables['vm']>;

/**
 * VmStore on SQL.
 * @param group for the writes: many VMs may change at one time
 */
export function sqlVmStore(db: Kysely<Tables>, group: GroupCommit<Tables>): VmStore {
  const kept = new KeptRows<Vm>(db, {
    table: 'vm',
    key: 'name',
    belongs: () => 'true',
    read: async (keys) => (await db.selectFrom('vm').selectAll().where(keys).execute()).map(fromRow),
    keyOf: ({ name }) => name,
    groupOf: ({ pool }) => pool,
    compare: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  });
  return {
    insert: (vm) => group.run((tx) => insert(tx, vm)),
    async get(name) {
      const row = await rowOf.first(db, { name });
      return row === undefined ? undefined : fromRow(row);
    },
    list: () => kept.all(),
    ofPool: async (pool) => (await kept.byGroup()).get(pool) ?? [],
    move: (name, from, to) => group.run((tx) => move(tx, name, from, to)),
    moveIfIdle: (name, from, to) => group.run((tx) => moveIfIdle(tx, name, from, to)),
    learn: (name, keyId, facts) => group.run((tx) => learn(tx, name, keyId, facts)),
    delete: (name) => group.run((tx) => deleteIdle(tx, name)),
  };
}

const rowOf = new Prepared<{ name: string }, Selectable<Tables['vm']>>((db, place) =>
  db.selectFrom('vm').selectAll().where('name', '=', place('name')),
);

async function insert(db: Kysely<Tables>, vm: Vm): Promise<void> {
  const query = db.insertInto('vm').values(toRow(vm));
  const result = await query.onConflict((conflict) => conflict.column('name').doNothing()).executeTakeFirst();
  if (result.numInsertedOrUpdatedRows === 0n) throw new TidepoolError('conflict', `there is a VM ${vm.name} already`);
}

async function move(db: Kysely<Tables>, name: string, from: readonly VmState[], to: VmMove): Promise<boolean> {
  const result = await db
    .updateTable('vm')
    .set({ state: to.state, reason: to.reason, state_since_ms: to.nowMs, ...factColumns(to.facts) })
    .where('name', '=', name)
    .where('state', 'in', [...from])
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

async function moveIfIdle(db: Kysely<Tables>, name: string, from: readonly VmState[], to: VmMove): Promise<boolean> {
  const result = await db
    .updateTable('vm')
    .set({ state: to.state, reason: to.reason, state_since_ms: to.nowMs, ...factColumns(to.facts) })
    .where('name', '=', name)
    .where('state', 'in', [...from])
    .where((e) => e.not(e.exists(jobsOn(db, name))))
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

async function learn(db: Kysely<Tables>, name: string, keyId: string, facts: VmFacts): Promise<boolean> {
  const query = db.updateTable('vm').set(factColumns(facts)).where('name', '=', name).where('key_id', '=', keyId);
  const result = await query.executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

async function deleteIdle(db: Kysely<Tables>, name: string): Promise<boolean> {
  const query = db.deleteFrom('vm').where('name', '=', name);
  const result = await query.where((e) => e.not(e.exists(jobsOn(db, name)))).executeTakeFirst();
  return result.numDeletedRows === 1n;
}

function jobsOn(db: Kysely<Tables>, vm: string) {
  return db.selectFrom('job').select('job.id').where('vm_name', '=', vm).where(isActive);
}

function factColumns(facts: VmFacts | undefined): Updateable<Tables['vm']> {
  if (facts === undefined) return {};
  return {
    ...(facts.host === undefined ? {} : { host: facts.host }),
    ...(facts.port === undefined ? {} : { port: facts.port }),
    ...(facts.capacity === undefined ? {} : { capacity_json: JSON.stringify(facts.capacity) }),
    ...(facts.protocol === undefined ? {} : { protocol: facts.protocol }),
    ...(facts.isUnwanted === undefined ? {} : { unwanted: facts.isUnwanted ? 1 : 0 }),
    ...(facts.isStanding === undefined ? {} : { standing: facts.isStanding ? 1 : 0 }),
    ...(facts.runtimes === undefined ? {} : { runtimes_json: JSON.stringify(facts.runtimes) }),
  };
}

function toRow(vm: Vm): Row {
  return {
    name: vm.name,
    pool: vm.pool,
    state: vm.state,
    reason: vm.reason,
    state_since_ms: vm.stateSinceMs,
    created_at_ms: vm.createdAtMs,
    image_id: vm.imageId,
    flavor: vm.flavor,
    key_id: vm.keyId,
    key: vm.key,
    host: vm.host,
    port: vm.port,
    capacity_json: vm.capacity === null ? null : JSON.stringify(vm.capacity),
    runtimes_json: JSON.stringify(vm.runtimes),
    unwanted: vm.isUnwanted ? 1 : 0,
    protocol: vm.protocol,
    standing: vm.isStanding ? 1 : 0,
  };
}

function fromRow(row: Row): Vm {
  return {
    name: row.name,
    pool: row.pool,
    state: row.state,
    reason: row.reason,
    stateSinceMs: row.state_since_ms,
    createdAtMs: row.created_at_ms,
    imageId: row.image_id,
    flavor: row.flavor,
    keyId: row.key_id,
    key: row.key,
    host: row.host,
    port: row.port,
    // Rows from before slots were counted have none.
    capacity: row.capacity_json === null ? null : { slots: agentSlots, ...JSON.parse(row.capacity_json) },
    runtimes: JSON.parse(row.runtimes_json),
    isUnwanted: row.unwanted === 1,
    isStanding: row.standing === 1,
    protocol: row.protocol,
  };
}
