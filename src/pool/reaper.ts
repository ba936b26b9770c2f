import { type TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { type Vm, vmStates, vmStatesThatCan } from '../domain/vm.ts';
import { Backoff } from '../reconcile/backoff.ts';
import { vmTopic } from '../reconcile/changes.ts';
import { emit, type PoolContext } from './context.ts';

/** What is to be removed: a VM, or a machine that no row knows (which has no time of creation). */
export type Leaving = Pick<Vm, 'name' | 'reason' | 'stateSinceMs'> & Partial<Pick<Vm, 'createdAtMs'>>;

interface Failed {
  readonly backoff: Backoff;
  /** Of the first failure, by the steady clock. */
  readonly sinceMs: number;
  isAlarmed: boolean;
}

/**
 * Last stage: the machine goes, then the VM is `dead` and its jobs are given up, then the row goes; so a crash in between
 * leaves a row that is reaped again. A machine that cannot be removed is tried again with growing pauses until it is gone,
 * and an alert reports it.
 */
export class Reaper {
  readonly #context: PoolContext;
  /** By name: removals that failed so far. */
  readonly #failed = new Map<string, Failed>();
  /** VMs whose machine is removed and whose row waits for their jobs to be given up, with their times of creation. */
  readonly #removed = new Map<string, number>();

  constructor(context: PoolContext) {
    this.#context = context;
  }

  /** False while a removal that failed is not to be tried again yet. */
  mayTry(name: string): boolean {
    return this.#failed.get(name)?.backoff.mayTry(this.#context.clock.uptimeMs()) ?? true;
  }

  /** Whether the machine of this VM is removed, so that only its jobs keep its row. */
  isRemoved({ name, createdAtMs }: Pick<Vm, 'name' | 'createdAtMs'>): boolean {
    return this.#removed.get(name) === createdAtMs;
  }

  /** One try. Never rejects for what the hypervisor does: what failed may be tried again later. */
  async reap(leaving: Leaving): Promise<void> {
    const { name, reason } = leaving;
    try {
      await this.#removeMachine(leaving);
    } catch (error) {
      return this.#failedToRemove(leaving, toTidepoolError(error));
    }
    // While a job is on it the row stays; whoever gives the job up wakes the pool.
    if (!(await this.#removeRow(name))) return;
    await emit(this.#context, 'vm.removed', name, 'removed', { reason });
    if (this.#failed.get(name)?.isAlarmed) await emit(this.#context, 'alert.cleared', name, 'it could be removed');
    this.#failed.delete(name);
    this.#context.changes.notify('vms');
  }

  async #removeMachine({ name, createdAtMs }: Leaving): Promise<void> {
    try {
      const isRemoved = createdAtMs !== undefined && this.isRemoved({ name, createdAtMs });
      if (!isRemoved) await this.#context.hypervisor.remove(name);
    } catch (error) {
      // What keeps it from being removed, e.g. a file that cannot be deleted, need not keep its jobs from going on.
      if (await this.#isSeenOff(name)) await this.#declareDead(name);
      throw error;
    }
    if (createdAtMs !== undefined) this.#removed.set(name, createdAtMs);
    await this.#declareDead(name);
  }

  async #isSeenOff(name: string): Promise<boolean> {
    try {
      const machine = await this.#context.hypervisor.get(name);
      // A machine that was never up may still be on its way: its creation may outlast the time that we gave it.
      if (machine === undefined) return (await this.#context.store.vms.get(name))?.capacity != null;
      return machine.state === 'off' || machine.state === 'crashed';
    } catch {
      return false; // No answer says nothing about the machine; the failure to remove it is reported.
    }
  }

  /** The machine runs no more: from now on its jobs may be started elsewhere. */
  async #declareDead(name: string): Promise<void> {
    const { store, clock, changes } = this.#context;
    const vm = await store.vms.get(name);
    if (vm === undefined) return;
    const dead = { state: 'dead' as const, reason: vm.reason, nowMs: clock.now() };
    if (!(await store.vms.move(name, vmStatesThatCan('die'), dead))) return;
    changes.notify(vmTopic(name));
    changes.notify('vms');
  }

  async #removeRow(name: string): Promise<boolean> {
    const { store } = this.#context;
    if (!(await store.vms.delete(name)) && (await store.vms.get(name)) !== undefined) return false;
    this.#removed.delete(name);
    return true;
  }

  async #failedToRemove({ name, stateSinceMs }: Leaving, error: TidepoolError): Promise<void> {
    const uptimeMs = this.#context.clock.uptimeMs();
    const first = { backoff: new Backoff(`removal of ${name}`), sinceMs: uptimeMs, isAlarmed: false };
    const failed = this.#failed.get(name) ?? first;
    this.#failed.set(name, failed);
    failed.backoff.failed(uptimeMs);
    this.#context.log(`vm ${name}: it could not be removed and is tried again: ${error.message}`);
    if (failed.isAlarmed || uptimeMs - failed.sinceMs < (vmStates.stopping.maxMs ?? 0)) return;
    failed.isAlarmed = true;
    const text = `it cannot be removed and is tried again every 30 s: ${error.message}`;
    await emit(this.#context, 'alert.raised', name, text, { error: error.code, sinceMs: stateSinceMs });
  }
}
