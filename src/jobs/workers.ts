import type { Holding } from '../domain/queue.ts';
import { type Vm, vmCan } from '../domain/vm.ts';
import type { Held, Worker } from './room.ts';
import { overheadMs } from './schedule.ts';

/** The VMs that may be given work, each with what its present jobs hold. Pure. */
export function readyWorkers(vms: readonly Vm[], holdings: readonly Holding[]): Worker[] {
  const heldOn = new Map<string, Held[]>();
  for (const { worker, cpus, memoryBytes, assignedAtMs, timeoutMs } of holdings) {
    const held = { cpus, memoryBytes, untilMs: assignedAtMs + timeoutMs + overheadMs };
    const others = heldOn.get(worker);
    if (others === undefined) heldOn.set(worker, [held]);
    else others.push(held);
  }
  const workers: Worker[] = [];
  for (const { name, state, capacity, runtimes } of vms) {
    if (!vmCan(state, 'dispatch') || capacity === null) continue;
    const { cpus, memoryBytes } = capacity;
    workers.push({ name, runtimes, cpus, memoryBytes, held: heldOn.get(name) ?? [] });
  }
  return workers;
}
