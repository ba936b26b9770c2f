import type { PortRequest } from '../domain/hypervisor.ts';
import type { Holding } from '../domain/queue.ts';
import { isLayered } from '../domain/requirements.ts';
import type { Vm } from '../domain/vm.ts';

/** What the VMs of a pool work on, as far as the pool must know: jobs (below), or a service (`services/`). */
export interface Workload {
  /** Ports of the guest to be reachable, beside the agent's. */
  readonly ports: readonly PortRequest[];
  /** Whether a VM should be replaced because it lacks a runtime. @param built names of those that a new VM would have */
  lacksRuntime(vm: Vm, built: readonly string[]): boolean;
  /**
   * Gets a VM whose agent answers ready to take work: after its boot, and again when it was resumed.
   * Rejects with why when the VM itself is broken.
   * @param vm with the runtimes that its agent has
   */
  prepare(vm: Vm, signal: AbortSignal): Promise<void>;
  /** How much a VM works on now. A VM is stopped or paused only at 0. @param held what jobs hold of it */
  inFlight(vm: Vm, held: readonly Holding[]): number;
}

/** Jobs need nothing but the agent. */
export const jobsWorkload: Workload = {
  ports: [],
  // One with requirements on top is for the jobs that ask for it (needs.ts).
  lacksRuntime: (vm, built) => built.some((name) => !isLayered(name) && !vm.runtimes.includes(name)),
  prepare: async () => undefined,
  inFlight: (_vm, held) => held.length,
};
