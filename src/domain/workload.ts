import type { PortRequest } from './hypervisor.ts';
import type { PoolSnapshot } from './scaling.ts';
import type { Vm } from './vm.ts';

/**
 * Port: what the VMs of a pool are for when that is not jobs. The pool asks before it lets a VM in and before it lets one
 * go, and the planner what is to be done. Implementation: `services/`.
 */
export interface Workload {
  /** What every VM of the pool offers beside its agent. */
  readonly ports: readonly PortRequest[];
  /**
   * Makes a VM fit for its work: called when the agent of a booted or resumed VM has answered, and before the VM is `ready`
   * or `warm`. Resolves too when the work itself is at fault (a handler that does not import): another VM would fare no
   * better. Errors: `unavailable`, `timeout` (this VM is no good), `aborted`.
   * @param runtimes those that its agent has
   */
  prepare(vm: Vm, runtimes: readonly string[], signal: AbortSignal): Promise<void>;
  /**
   * Pieces of work that the VM has. Of a draining VM it is 0 only when it is certain that none is left and none comes, or
   * when its drain has lasted too long; only then may the VM be stopped or paused.
   */
  busy(vm: Vm): number;
  /** Whether the VM can never do what is wanted now, e.g. because it has not the runtime: another must take its place. */
  isOutdated(vm: Vm): boolean;
  /** For the planner: what a VM works on at this moment, at most `backlog().perVm`. */
  inFlight(vm: string): number;
  backlog(): PoolSnapshot['backlog'];
}
