import type { Holding, QueuedJob } from '../domain/queue.ts';
import { type Vm, vmCan } from '../domain/vm.ts';
import { agentProtocol } from '../protocol/agent.ts';
import { heldBy } from './resources.ts';
import type { Held, Worker } from './room.ts';
import { overheadMs } from './schedule.ts';

/**
 * The VMs that may be given work, each with what its present jobs hold. Pure.
 * @param queued jobs that may be given out, which may exclude workers
 */
export function readyWorkers(
  vms: readonly Vm[],
  holdings: readonly Holding[],
  queued: Iterable<Pick<QueuedJob, 'id' | 'excluded'>> = [],
): Worker[] {
  const heldOn = new Map<string, Held[]>();
  for (const { worker, assignedAtMs, timeoutMs, ...holding } of holdings) {
    const held = { ...heldBy(holding), untilMs: assignedAtMs + timeoutMs + overheadMs };
    const others = heldOn.get(worker);
    if (others === undefined) heldOn.set(worker, [held]);
    else others.push(held);
  }
  const excludedOn = new Map<string, Set<string>>();
  for (const { id, excluded = [] } of queued) {
    for (const keyId of excluded) excludedOn.set(keyId, (excludedOn.get(keyId) ?? new Set()).add(id));
  }
  const workers: Worker[] = [];
  for (const { name, state, capacity, protocol, runtimes, keyId, isStanding } of vms) {
    // One of another version would take what it is sent for something else; its pool replaces it.
    if (!vmCan(state, 'dispatch') || isStanding || capacity === null || protocol !== agentProtocol) continue;
    const excluded = excludedOn.get(keyId);
    const worker = { ...capacity, name, runtimes, held: heldOn.get(name) ?? [] };
    workers.push(excluded === undefined ? worker : { ...worker, excluded });
  }
  return workers;
}
