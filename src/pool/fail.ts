import { vmStatesThatCan } from '../domain/vm.ts';
import { emit, type PoolContext } from './context.ts';

/** Takes a VM out of service. The pool's next step removes and replaces it. */
export async function failVm(context: PoolContext, name: string, reason: string): Promise<void> {
  const nowMs = context.clock.now();
  const moved = await context.store.vms.move(name, vmStatesThatCan('fail'), { state: 'failed', reason, nowMs });
  if (!moved) return;
  await emit(context, 'vm.failed', name, `failed: ${reason}`, { reason });
  context.changes.notify('vms');
  // Whoever carries a job on it learns of the loss now.
  context.changes.notify('queue');
}
