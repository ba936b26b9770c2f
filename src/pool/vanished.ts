import type { MachineState } from '../domain/hypervisor.ts';
import type { Vm } from '../domain/vm.ts';
import { poolMachines, poolVms } from './adopt.ts';
import type { PoolContext } from './context.ts';
import { failVm } from './fail.ts';

/**
 * Machines that somebody removed, paused or shut down while no event reached us. The rows are read before the machines,
 * and again before one is given up: a row that changed meanwhile is looked at next time.
 * @param isUnderWay whether a step of ours is being carried out on that VM
 */
export async function noticeVanished(context: PoolContext, isUnderWay: (name: string) => boolean): Promise<void> {
  const before = await poolVms(context);
  const machines = await poolMachines(context);
  for (const vm of before) {
    const expected = expectedState(vm);
    const state = machines.get(vm.name)?.state ?? 'gone';
    if (expected === undefined || state === expected || isUnderWay(vm.name)) continue;
    const now = await context.store.vms.get(vm.name);
    if (now?.state !== vm.state || now.stateSinceMs !== vm.stateSinceMs) continue;
    await failVm(context, vm.name, `its machine is ${state}`);
  }
}

function expectedState(vm: Vm): MachineState | undefined {
  if (vm.state === 'warm') return 'paused';
  return vm.state === 'booting' || vm.state === 'ready' || vm.state === 'draining' ? 'running' : undefined;
}
