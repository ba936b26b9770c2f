import { type VmState, vmStatesThatCan } from '../domain/vm.ts';
import { emit, type PoolContext } from './context.ts';

/**
 * Takes a VM out of service. The pool's next step removes and replaces it.
 * @param from the states of which the reason speaks: nothing is done to a VM that is in another one by now
 */
export async function failVm(
  context: PoolContext,
  name: string,
  reason: string,
  from: readonly VmState[] = vmStatesThatCan('fail'),
): Promise<void> {
  const nowMs = context.clock.now();
  const moved = await context.store.vms.move(name, from, { state: 'failed', reason, nowMs });
  if (!moved) return;
  await emit(context, 'vm.failed', name, `failed: ${reason}`, { reason });
  context.changes.notify('vms');
  // Whoever carries a job on it learns of the loss now.
  context.changes.notify('queue');
}
