import type { Kysely, Selectable, Transaction, Updateable } from 'kysely';
import { TidepoolError } from '../domain/errors.ts';
import {
  maxRevisions,
  type Revision,
  type RevisionEnd,
  type Service,
  type ServiceChanges,
  type ServiceStore,
} from '../domain/service.ts';
import type { Tables } from './schema.ts';

type Db = Kysely<Tables>;

/** ServiceStore on SQL. */
export function sqlServiceStore(db: Db): ServiceStore {
  return {
    insert: (service) => insert(db, service),
    async get(name) {
      const row = await db.selectFrom('service').selectAll().where('name', '=', name).executeTakeFirst();
      return row === undefined ? undefined : fromRow(row);
    },
    list: async () => (await db.selectFrom('service').selectAll().orderBy('name').execute()).map(fromRow),
    change: (name, changes) => change(db, name, changes),
    delete: async (name) => void (await db.deleteFrom('service').where('name', '=', name).execute()),
    insertRevision: (revision) => db.transaction().execute((tx) => insertRevision(tx, revision)),
    settleRevision: (service, number, to) => db.transaction().execute((tx) => settle(tx, service, number, to)),
    revisions: (service) => revisions(db, service),
  };
}

async function insert(db: Db, service: Service): Promise<void> {
  const { name, owner, protocol, flavor, settings, port, isRunning, current, isLeaving, createdAtMs } = service;
  const query = db.insertInto('service').values({
    ...{ name, owner, protocol, flavor, port, current },
    settings_json: JSON.stringify(settings),
    running: isRunning ? 1 : 0,
    leaving: isLeaving ? 1 : 0,
    created_at_ms: createdAtMs,
    key_count: 0,
    key_value_bytes: 0,
  });
  const result = await query.onConflict((conflict) => conflict.column('name').doNothing()).executeTakeFirst();
  if (result.numInsertedOrUpdatedRows === 0n) throw new TidepoolError('conflict', `there is a service ${name} already`);
}

async function change(db: Db, name: string, changes: ServiceChanges): Promise<boolean> {
  const { flavor, settings, port, isRunning, isLeaving } = changes;
  const columns: Updateable<Tables['service']> = {
    ...(flavor === undefined ? {} : { flavor }),
    ...(settings === undefined ? {} : { settings_json: JSON.stringify(settings) }),
    ...(port === undefined ? {} : { port }),
    ...(isRunning === undefined ? {} : { running: isRunning ? 1 : 0 }),
    ...(isLeaving === undefined ? {} : { leaving: isLeaving ? 1 : 0 }),
  };
  const result = await db
    .updateTable('service')
    .set({ name, ...columns })
    .where('name', '=', name)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

async function insertRevision(tx: Transaction<Tables>, revision: Revision): Promise<void> {
  const { service, number, message, traceback, createdAtMs, spec } = revision;
  const known = await tx.selectFrom('service').select('current').where('name', '=', service).executeTakeFirst();
  if (known === undefined) throw new TidepoolError('not_found', `there is no service ${service}`);
  await move(tx, service, 'rolling', {
    state: 'failed',
    message: `revision ${number} was deployed before it had come up`,
  });
  const row = { service, number, message, traceback, created_at_ms: createdAtMs };
  const query = tx.insertInto('revision').values({ ...row, state: revision.state, spec_json: JSON.stringify(spec) });
  const result = await query.onConflict((conflict) => conflict.doNothing()).executeTakeFirst();
  if (result.numInsertedOrUpdatedRows === 0n)
    throw new TidepoolError('conflict', `service ${service} has a revision ${number} already`);
  await tx
    .deleteFrom('revision')
    .where('service', '=', service)
    .where('number', '<=', number - maxRevisions)
    .where('number', '!=', known.current ?? 0)
    .execute();
}

async function settle(tx: Transaction<Tables>, service: string, number: number, to: RevisionEnd): Promise<boolean> {
  const { state, message, traceback } = to;
  const rolling = await tx
    .selectFrom('revision')
    .select('number')
    .where('service', '=', service)
    .where('number', '=', number)
    .where('state', '=', 'rolling')
    .executeTakeFirst();
  if (rolling === undefined) return false;
  if (state === 'current') {
    await move(tx, service, 'current', { state: 'superseded' });
    await tx.updateTable('service').set({ current: number }).where('name', '=', service).execute();
  }
  await tx
    .updateTable('revision')
    .set({ state, message, traceback })
    .where('service', '=', service)
    .where('number', '=', number)
    .execute();
  return true;
}

/** Moves the revision that is in this state, if there is one. */
async function move(
  tx: Transaction<Tables>,
  service: string,
  from: Revision['state'],
  to: Partial<Pick<Revision, 'state' | 'message'>>,
): Promise<void> {
  await tx.updateTable('revision').set(to).where('service', '=', service).where('state', '=', from).execute();
}

async function revisions(db: Db, service: string): Promise<Revision[]> {
  const query = db.selectFrom('revision').selectAll().where('service', '=', service).orderBy('number', 'desc');
  return (await query.execute()).map(({ created_at_ms: createdAtMs, spec_json, ...row }) => {
    return { ...row, createdAtMs, spec: JSON.parse(spec_json) };
  });
}

function fromRow(row: Selectable<Tables['service']>): Service {
  return {
    name: row.name,
    owner: row.owner,
    protocol: row.protocol,
    flavor: row.flavor,
    settings: JSON.parse(row.settings_json),
    port: row.port,
    isRunning: row.running === 1,
    current: row.current,
    isLeaving: row.leaving === 1,
    createdAtMs: row.created_at_ms,
  };
}
