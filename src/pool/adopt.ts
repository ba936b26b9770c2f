import { toTidepoolError } from '../domain/errors.ts';
import type { Machine } from '../domain/hypervisor.ts';
import { isLeaving, type Vm } from '../domain/vm.ts';
import type { PoolContext } from './context.ts';
import { failVm } from './fail.ts';
import { agentEndpoint } from './launch.ts';
import { poolMachines, poolVms } from './read.ts';

/**
 * At start: reads the pool back from the hypervisor. Machines that a row knows are kept as they are, whatever a former
 * server was doing with them, of whatever image and version they are; rows without a machine, also when it is asked for by
 * its name, are given up. Machines without a row are found and removed by compare.ts. What goes wrong with one VM is logged,
 * and left to compare.ts. Errors: those of the hypervisor when it cannot list its machines.
 */
export async function adoptVms(context: PoolContext): Promise<void> {
  const machines = await poolMachines(context);
  for (const vm of await poolVms(context)) {
    try {
      await adoptVm(context, vm, machines.get(vm.name));
    } catch (error) {
      context.log(`vm ${vm.name}: it could not be adopted: ${toTidepoolError(error).message}`);
    }
  }
}

async function adoptVm(context: PoolContext, vm: Vm, listed: Machine | undefined): Promise<void> {
  if (isLeaving(vm.state)) return;
  const machine = listed ?? (await context.hypervisor.get(vm.name));
  if (machine === undefined) return failVm(context, vm.name, 'its machine was gone when the server started');
  // A server that ended while it paused or resumed a VM leaves it between the two: it is put back to what its row says.
  if (vm.state === 'warm' && machine.state === 'running') return pauseAgain(context, vm.name);
  const isSound = machine.state === (vm.state === 'warm' ? 'paused' : 'running') || machine.pauseReason === 'no_room';
  if (!isSound) {
    return failVm(context, vm.name, `its machine was ${machine.state} when the server started`);
  }
  // What was being created is booting by now; the time limits of all others go on from where they were.
  const isCreated = vm.state === 'creating';
  const state = isCreated ? 'booting' : vm.state;
  const nowMs = isCreated ? context.clock.now() : vm.stateSinceMs;
  await context.store.vms.move(vm.name, [vm.state], { state, reason: vm.reason, nowMs, facts: agentEndpoint(machine) });
  context.log(`vm ${vm.name}: adopted (${state})`);
}

async function pauseAgain(context: PoolContext, name: string): Promise<void> {
  try {
    await context.hypervisor.suspend(name);
    context.log(`vm ${name}: adopted (warm)`);
  } catch (error) {
    await failVm(context, name, `it could not be paused: ${toTidepoolError(error).message}`);
  }
}
