import { hasCode } from '../domain/errors.ts';
import type { Machine, MachineEvent, MachineState } from '../domain/hypervisor.ts';
import type { Vm } from '../domain/vm.ts';
import type { PoolContext } from './context.ts';
import { failVm } from './fail.ts';
import { poolMachines, poolVms } from './read.ts';

/** Whether a step of ours is being carried out on a VM. */
export type IsUnderWay = (name: string) => boolean;

/**
 * Compares the pool's rows with the hypervisor's machines: VMs whose machine somebody removed, paused or shut down while
 * no event reached us are given up. The rows are read before the machines, so a machine comes after its row.
 * @returns machines of this pool that no row knows: what an interrupted launch or removal left behind
 */
export async function compareMachines(context: PoolContext, isUnderWay: IsUnderWay): Promise<Machine[]> {
  const rows = await poolVms(context);
  const machines = await poolMachines(context);
  // All at once: when many are gone, they share the flushes to the disk.
  await Promise.all(rows.map((vm) => compare(context, vm, machines.get(vm.name), isUnderWay, '')));
  for (const vm of rows) {
    machines.delete(vm.name);
  }
  return [...machines.values()];
}

/**
 * Something happened to a machine: looks at what it is now. The event alone proves nothing: it may have come late, and
 * be about an earlier machine of that name.
 */
export async function compareMachine(
  context: PoolContext,
  { name, kind, detail }: MachineEvent,
  isUnderWay: IsUnderWay,
): Promise<void> {
  const vm = await context.store.vms.get(name);
  if (vm?.pool !== context.pool.name || expectedState(vm) === undefined) return;
  try {
    await compare(context, vm, await context.hypervisor.get(name), isUnderWay, ` (${kind}: ${detail})`);
  } catch (error) {
    // The next comparison of all sees it.
    if (!hasCode(error, 'unavailable') && !hasCode(error, 'timeout')) throw error;
  }
}

/** @param machine as it was after `vm` was read */
async function compare(
  context: PoolContext,
  vm: Vm,
  machine: Machine | undefined,
  isUnderWay: IsUnderWay,
  detail: string,
): Promise<void> {
  const expected = expectedState(vm);
  const state = machine?.state ?? 'gone';
  if (expected === undefined || state === expected) return;
  // Our own steps pause and resume machines, but end none without having changed the row before.
  if (isUnderWay(vm.name) && (state === 'running' || state === 'paused')) return;
  const now = await context.store.vms.get(vm.name);
  if (now?.state !== vm.state || now.stateSinceMs !== vm.stateSinceMs) return;
  await failVm(context, vm.name, `its machine is ${state}${detail}`, [vm.state]);
}

function expectedState(vm: Vm): MachineState | undefined {
  if (vm.state === 'warm') return 'paused';
  return vm.state === 'booting' || vm.state === 'ready' || vm.state === 'draining' ? 'running' : undefined;
}
