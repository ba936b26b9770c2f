import { TidepoolError } from '../domain/errors.ts';
import type { PoolState } from '../domain/pool.ts';
import type { VmMove, VmStore } from '../domain/store.ts';
import type { Vm, VmState } from '../domain/vm.ts';
import type { PoolRecords } from '../pool/context.ts';

/** What a pool keeps, for as long as a simulation lasts. */
export class MemoryRecords implements PoolRecords {
  /** By name. */
  readonly rows = new Map<string, Vm>();
  readonly #pools = new Map<string, PoolState>();

  readonly vms: VmStore = {
    insert: async (vm) => {
      if (this.rows.has(vm.name)) throw new TidepoolError('conflict', `there is a VM ${vm.name} already`);
      this.rows.set(vm.name, vm);
    },
    get: async (name) => this.rows.get(name),
    list: async () => [...this.rows.values()],
    ofPool: async (pool) => [...this.rows.values()].filter((vm) => vm.pool === pool),
    move: async (name, from, to) => this.#move(name, from, to),
    // Its jobs are none of the store's here; steering looks at what is in work.
    moveIfIdle: async (name, from, to) => this.#move(name, from, to),
    learn: async (name, keyId, facts) => {
      const row = this.rows.get(name);
      if (row?.keyId !== keyId) return false;
      this.rows.set(name, { ...row, ...facts });
      return true;
    },
    delete: async (name) => this.rows.delete(name),
  };

  readonly pools: PoolRecords['pools'] = {
    get: async (name) => this.#pools.get(name),
    put: async (pool) => void this.#pools.set(pool.name, pool),
    // A simulation is one run of one server.
    note: async () => undefined,
    putNote: async () => undefined,
  };

  /** Nobody reads them. */
  readonly events: PoolRecords['events'] = { append: async (event) => ({ id: 0, ...event }) };

  readonly jobs: PoolRecords['jobs'] = { holdingsByWorker: async () => new Map() };

  #move(name: string, from: readonly VmState[], { state, reason, nowMs, facts }: VmMove): boolean {
    const row = this.rows.get(name);
    if (row === undefined || !from.includes(row.state)) return false;
    this.rows.set(name, { ...row, state, reason, stateSinceMs: nowMs, ...facts });
    return true;
  }
}
