import type { Machine } from '../domain/hypervisor.ts';
import type { Vm } from '../domain/vm.ts';
import type { PoolContext } from './context.ts';

/** Our machines of this pool by name. */
export async function poolMachines(context: PoolContext): Promise<Map<string, Machine>> {
  const machines = (await context.hypervisor.list()).filter((machine) => machine.tags.pool === context.pool.name);
  return new Map(machines.map((machine) => [machine.name, machine]));
}

/** The rows of this pool's VMs. */
export function poolVms(context: PoolContext): Promise<readonly Vm[]> {
  return context.store.vms.ofPool(context.pool.name);
}
