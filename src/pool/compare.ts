import { hasCode } from '../domain/errors.ts';
import type { Machine, MachineEvent, MachineState } from '../domain/hypervisor.ts';
import type { Vm } from '../domain/vm.ts';
import type { PoolContext } from './context.ts';
import { failVm } from './fail.ts';
import type { NoRoom } from './no-room.ts';
import { poolMachines, poolVms } from './read.ts';

/** What a comparison takes into account and acts through. */
export interface Comparing {
  /** Whether a step of ours is being carried out on a VM. */
  isUnderWay(name: string): boolean;
  /** Keeps what goes wrong with one VM to that VM. */
  attempt(name: string, work: () => Promise<void>): Promise<void>;
  /** Guests that stand because the disk of the host is full: they are waited for. */
  readonly noRoom: Pick<NoRoom, 'stands' | 'isPast'>;
}

/**
 * Compares the pool's rows with the hypervisor's machines: VMs whose machine somebody removed, paused or shut down while
 * no event reached us are given up. The rows are read before the machines, so a machine comes after its row. A machine that
 * the list lacks, or has in another state than its VM's, is asked for by its name before its VM is given up: a list may be
 * short by a mistake, or old.
 * @returns machines of this pool that no row knows: what an interrupted launch or removal left behind
 */
export async function compareMachines(context: PoolContext, comparing: Comparing): Promise<Machine[]> {
  const rows = await poolVms(context);
  const machines = await poolMachines(context);
  // All at once: when many are gone, they share the flushes to the disk.
  await Promise.all(
    rows.map(async (vm) => {
      const expected = expectedState(vm);
      if (expected === undefined) return;
      await comparing.attempt(vm.name, async () => {
        const listed = machines.get(vm.name);
        const wasUnderWay = comparing.isUnderWay(vm.name);
        const machine = listed?.state === expected ? listed : await lookAgain(context, vm.name);
        if (machine !== 'unknown') await compare(context, vm, machine, { ...comparing, wasUnderWay }, '');
      });
    }),
  );
  for (const vm of rows) machines.delete(vm.name);
  return [...machines.values()];
}

/**
 * Something happened to a machine: looks at what it is now. The event alone proves nothing: it may have come late, and
 * be about an earlier machine of that name.
 */
export async function compareMachine(
  context: PoolContext,
  { name, kind, detail }: MachineEvent,
  comparing: Comparing,
): Promise<void> {
  const vm = await context.store.vms.get(name);
  if (vm?.pool !== context.pool.name || expectedState(vm) === undefined) return;
  await comparing.attempt(name, async () => {
    const wasUnderWay = comparing.isUnderWay(name);
    const machine = await lookAgain(context, name);
    // The next comparison of all sees it.
    if (machine !== 'unknown')
      await compare(context, vm, machine, { ...comparing, wasUnderWay }, ` (${kind}: ${detail})`);
  });
}

/** A machine by its name; undefined when it is certain that there is none. */
async function lookAgain(context: PoolContext, name: string): Promise<Machine | undefined | 'unknown'> {
  try {
    return await context.hypervisor.get(name);
  } catch (error) {
    if (hasCode(error, 'unavailable') || hasCode(error, 'timeout')) return 'unknown';
    throw error;
  }
}

/** The means of a comparison, once a machine has been looked at. */
interface Compared extends Comparing {
  /** Whether a step was under way on the VM when its machine was asked for: the answer may be older than the step's end. */
  readonly wasUnderWay: boolean;
}

/** @param machine as it was after `vm` was read */
async function compare(
  context: PoolContext,
  vm: Vm,
  machine: Machine | undefined,
  { isUnderWay, wasUnderWay, noRoom }: Compared,
  detail: string,
): Promise<void> {
  const expected = expectedState(vm);
  const state = machine?.state ?? 'gone';
  if (expected === undefined) return;
  if (expected === 'running' && machine?.pauseReason === 'no_room') return noRoom.stands(vm);
  if (state !== 'paused') await noRoom.isPast(vm, state === 'running');
  if (state === expected) return;
  // Our own steps pause and resume machines, but end none without having changed the row before.
  if ((wasUnderWay || isUnderWay(vm.name)) && (state === 'running' || state === 'paused')) return;
  const now = await context.store.vms.get(vm.name);
  if (now?.state !== vm.state || now.stateSinceMs !== vm.stateSinceMs) return;
  await failVm(context, vm.name, `its machine is ${state}${detail}`, [vm.state]);
}

function expectedState(vm: Vm): MachineState | undefined {
  if (vm.state === 'warm') return 'paused';
  return vm.state === 'booting' || vm.state === 'ready' || vm.state === 'draining' ? 'running' : undefined;
}
