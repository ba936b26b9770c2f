import type { PortRequest } from '../domain/hypervisor.ts';
import type { PoolSnapshot } from '../domain/scaling.ts';
import type { Service } from '../domain/service.ts';
import type { Vm } from '../domain/vm.ts';
import { servicePorts } from '../protocol/agent-service.ts';
import type { ServiceContext } from './context.ts';
import type { ServiceController } from './controller.ts';
import { inFlightOn, waitingRequests } from './figures.ts';
import { endpointName } from './replica.ts';

/** A drain that lasts longer is over, unless requests may take longer still. */
const drainLimitMs = 60_000;
const answerGraceMs = 5_000;

/** What the pool of a service, and its autoscaler, have to know of it. */
export interface ServiceWorkload {
  /** What every VM of the pool offers beside its agent. */
  readonly ports: readonly PortRequest[];
  /**
   * Whether a VM has not the runtime of what should run: another must take its place.
   * @param built names of those that a new VM would have
   */
  lacksRuntime(vm: Vm, built: readonly string[]): boolean;
  /**
   * Makes a VM fit to serve: to be called when the agent of a booted or resumed VM has answered, and before the VM is `ready`
   * or `warm`. Resolves too when the handler is at fault (it does not import): another VM would fare no better.
   * Errors: `unavailable`, `timeout` (this VM is no good), `aborted`.
   * @param vm with the runtimes that its agent has
   */
  prepare(vm: Vm, signal: AbortSignal): Promise<void>;
  /**
   * Requests that a VM has. Of a draining VM it is 0 only when it is certain that none is left and none comes, or when its
   * drain has lasted too long; only then may the VM be stopped or paused.
   */
  inFlight(vm: Vm): number;
  /** For the planner; in flight is here what a VM works on at this moment, at most `perVm`. Null is not known. */
  demand(): { readonly backlog: PoolSnapshot['backlog']; inFlight(vm: Vm): number | null };
}

/** A service as its pool sees it. */
export function serviceWorkload(
  { clock }: Pick<ServiceContext, 'clock'>,
  controller: ServiceController,
  { name, protocol }: Pick<Service, 'name' | 'protocol'>,
): ServiceWorkload {
  const lanes = () => controller.front.lanes(name) ?? [];
  const transport = protocol === 'udp' ? 'udp' : 'tcp';
  return {
    ports: ([0, 1] as const).map((slot) => {
      return { name: endpointName(slot), protocol: transport, guestPort: servicePorts[slot], device: 'service' };
    }),
    lacksRuntime(vm, built) {
      const wanted = controller.pools.runtimes(name).filter((one) => built.includes(one));
      // What a VM has is known when its agent has answered.
      return vm.capacity !== null && wanted.some((one) => !vm.runtimes.includes(one));
    },
    prepare: (vm, signal) => controller.prepare(vm, signal),
    inFlight(vm) {
      const inFlight = inFlightOn(lanes(), vm.name);
      if (vm.state !== 'draining') return inFlight;
      const limitMs = Math.max(drainLimitMs, controller.requestTimeoutMs(name) + answerGraceMs);
      if (controller.drains.isOver(vm) || clock.now() - vm.stateSinceMs > limitMs) return 0;
      return Math.max(1, inFlight);
    },
    demand() {
      const stats = controller.front.stats(name);
      const perVm = controller.perVm(name);
      const now = controller.front.lanes(name);
      // After a start, and while the front door does not answer, nobody knows what its requests do.
      const isKnown =
        now !== undefined && (protocol === 'udp' || (stats !== undefined && controller.front.isAnswering));
      if (!isKnown) return { backlog: { waiting: null, perVm, meanMs: null }, inFlight: () => null };
      return {
        backlog: { waiting: waitingRequests(now, stats, perVm), perVm, meanMs: stats?.meanMs ?? null },
        inFlight: (vm) => Math.min(perVm, inFlightOn(now, vm.name)),
      };
    },
  };
}
