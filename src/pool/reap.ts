import type { PoolContext } from './context.ts';

/** Last stage: the machine goes, then the row, so a crash in between leaves a row that is reaped again. */
export async function reapVm(context: PoolContext, name: string): Promise<void> {
  await context.hypervisor.remove(name);
  await context.store.vms.delete(name);
  context.log(`vm ${name}: removed`);
  context.changes.notify('vms');
}
