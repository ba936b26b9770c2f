import type { Machine } from '../domain/hypervisor.ts';
import type { Vm } from '../domain/vm.ts';
import type { PoolContext } from './context.ts';
import { failVm } from './fail.ts';
import { agentEndpoint } from './launch.ts';
import { reapVm } from './reap.ts';

/**
 * At start: reads the pool back from the hypervisor. Machines that a row knows are kept as they are, whatever a former
 * server was doing with them; rows without a machine and machines without a row are leftovers and go.
 */
export async function adoptVms(context: PoolContext): Promise<void> {
  const machines = await poolMachines(context);
  for (const vm of await poolVms(context)) {
    const machine = machines.get(vm.name);
    machines.delete(vm.name);
    await adoptVm(context, vm, machine);
  }
  for (const name of machines.keys()) {
    context.log(`vm ${name}: a leftover that no record knows`);
    await reapVm(context, { name, reason: 'a leftover' });
  }
}

async function adoptVm(context: PoolContext, vm: Vm, machine: Machine | undefined): Promise<void> {
  if (vm.state === 'stopping' || vm.state === 'failed') return;
  if (machine === undefined) return failVm(context, vm.name, 'its machine was gone when the server started');
  // A server that ended while it paused or resumed a VM leaves it between the two: it is put back to what its row says.
  if (vm.state === 'warm' && machine.state === 'running') await context.hypervisor.suspend(vm.name);
  else if (machine.state !== (vm.state === 'warm' ? 'paused' : 'running')) {
    return failVm(context, vm.name, `its machine was ${machine.state} when the server started`);
  }
  const state = vm.state === 'creating' ? 'booting' : vm.state;
  const move = { state, reason: vm.reason, nowMs: context.clock.now(), facts: agentEndpoint(machine) };
  await context.store.vms.move(vm.name, [vm.state], move);
  context.log(`vm ${vm.name}: adopted (${state})`);
}

/** Our machines of this pool by name. */
export async function poolMachines(context: PoolContext): Promise<Map<string, Machine>> {
  const machines = (await context.hypervisor.list()).filter((machine) => machine.tags.pool === context.pool.name);
  return new Map(machines.map((machine) => [machine.name, machine]));
}

/** The rows of this pool's VMs. */
export async function poolVms(context: PoolContext): Promise<Vm[]> {
  return (await context.store.vms.list()).filter((vm) => vm.pool === context.pool.name);
}
