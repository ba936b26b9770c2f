import type { Kysely } from 'kysely';
import type { WorkerTrustStore } from '../domain/store.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Tables } from './schema.ts';

/** WorkerTrustStore on SQL. */
export function sqlWorkerTrustStore(db: Kysely<Tables>, group: GroupCommit<Tables>): WorkerTrustStore {
  return {
    async all() {
      const rows = await db.selectFrom('worker_trust').selectAll().orderBy('key_id').execute();
      return rows.map(({ key_id: keyId, alarmed, ...row }) => ({ ...row, keyId, isAlarmed: alarmed === 1 }));
    },
    put: ({ keyId, vm, pool, strikes, isAlarmed }) =>
      group.run(async (tx) => {
        const changes = { vm, pool, strikes, alarmed: isAlarmed ? 1 : 0 };
        const query = tx.insertInto('worker_trust').values({ key_id: keyId, ...changes });
        await query.onConflict((conflict) => conflict.column('key_id').doUpdateSet(changes)).execute();
      }),
    delete: (keyId) =>
      group.run(async (tx) => {
        await tx.deleteFrom('worker_trust').where('key_id', '=', keyId).execute();
      }),
  };
}
