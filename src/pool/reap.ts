import type { Vm } from '../domain/vm.ts';
import { emit, type PoolContext } from './context.ts';

/** Last stage: the machine goes, then the row, so a crash in between leaves a row that is reaped again. */
export async function reapVm(context: PoolContext, vm: Pick<Vm, 'name' | 'reason'>): Promise<void> {
  await context.hypervisor.remove(vm.name);
  await context.store.vms.delete(vm.name);
  await emit(context, 'vm.removed', vm.name, 'removed', { reason: vm.reason });
  context.changes.notify('vms');
}
