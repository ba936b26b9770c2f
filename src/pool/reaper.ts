import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { type Vm, vmStates } from '../domain/vm.ts';
import { Backoff } from '../reconcile/backoff.ts';
import { emit, type PoolContext } from './context.ts';

/** What is to be removed: a VM, or a machine that no row knows. */
export type Leaving = Pick<Vm, 'name' | 'reason' | 'stateSinceMs'>;

/**
 * Last stage: the machine goes, then the row, so a crash in between leaves a row that is reaped again. What cannot be
 * removed is tried again with growing pauses until it is gone, and is told of by an alert.
 */
export class Reaper {
  readonly #context: PoolContext;
  /** By name: removals that failed so far. */
  readonly #failed = new Map<string, { readonly backoff: Backoff; isAlarmed: boolean }>();

  constructor(context: PoolContext) {
    this.#context = context;
  }

  /** False while a removal that failed is not to be tried again yet. */
  mayTry(name: string): boolean {
    return this.#failed.get(name)?.backoff.mayTry(this.#context.clock.uptimeMs()) ?? true;
  }

  /** One try. Never rejects for what the hypervisor does: what failed may be tried again later. */
  async reap(leaving: Leaving): Promise<void> {
    try {
      await this.#remove(leaving.name);
    } catch (error) {
      return this.#failedToRemove(leaving, toTidepoolError(error));
    }
    const { name, reason } = leaving;
    await emit(this.#context, 'vm.removed', name, 'removed', { reason });
    if (this.#failed.get(name)?.isAlarmed) await emit(this.#context, 'alert.cleared', name, 'it could be removed');
    this.#failed.delete(name);
    this.#context.changes.notify('vms');
  }

  async #remove(name: string): Promise<void> {
    const { hypervisor, store } = this.#context;
    await hypervisor.remove(name);
    if (await store.vms.delete(name)) return;
    if ((await store.vms.get(name)) !== undefined) throw new TidepoolError('conflict', 'a job is still on it');
  }

  async #failedToRemove({ name, stateSinceMs }: Leaving, error: TidepoolError): Promise<void> {
    const nowMs = this.#context.clock.now();
    const failed = this.#failed.get(name) ?? { backoff: new Backoff(`removal of ${name}`), isAlarmed: false };
    this.#failed.set(name, failed);
    failed.backoff.failed(this.#context.clock.uptimeMs());
    this.#context.log(`vm ${name}: it could not be removed and is tried again: ${error.message}`);
    if (failed.isAlarmed || nowMs - stateSinceMs < (vmStates.stopping.maxMs ?? 0)) return;
    failed.isAlarmed = true;
    const text = `it cannot be removed and is tried again every 30 s: ${error.message}`;
    await emit(this.#context, 'alert.raised', name, text, { error: error.code, sinceMs: stateSinceMs });
  }
}
