import type { Service } from '../domain/service.ts';
import type { Vm } from '../domain/vm.ts';
import type { Workload } from '../domain/workload.ts';
import { servicePorts } from '../protocol/agent-service.ts';
import type { ServiceContext } from './context.ts';
import type { ServiceController } from './controller.ts';
import { inFlightOn, waitingRequests } from './figures.ts';
import { endpointName } from './replica.ts';

/** A drain that lasts longer is over, unless requests may take longer still. */
const drainLimitMs = 60_000;
const answerGraceMs = 5_000;

/** What the pool of a service has to know of it. */
export function serviceWorkload(
  { clock }: Pick<ServiceContext, 'clock'>,
  controller: ServiceController,
  { name, protocol }: Pick<Service, 'name' | 'protocol'>,
): Workload {
  const lanes = () => controller.front.lanes(name) ?? [];
  const perVm = () => controller.perVm(name);
  const transport = protocol === 'udp' ? 'udp' : 'tcp';
  return {
    ports: ([0, 1] as const).map((slot) => {
      return { name: endpointName(slot), protocol: transport, guestPort: servicePorts[slot], device: 'service' };
    }),
    prepare: (vm, runtimes, signal) => controller.prepare(vm, runtimes, signal),
    busy(vm: Vm): number {
      const inFlight = inFlightOn(lanes(), vm.name);
      if (vm.state !== 'draining') return inFlight;
      const limitMs = Math.max(drainLimitMs, controller.requestTimeoutMs(name) + answerGraceMs);
      if (controller.drains.isOver(vm) || clock.now() - vm.stateSinceMs > limitMs) return 0;
      return Math.max(1, inFlight);
    },
    isOutdated(vm: Vm): boolean {
      // What a VM has is known when its agent has answered.
      return vm.capacity !== null && controller.pools.runtimes(name).some((one) => !vm.runtimes.includes(one));
    },
    inFlight: (vm) => Math.min(perVm(), inFlightOn(lanes(), vm)),
    backlog() {
      const stats = controller.front.stats(name);
      return {
        waiting: waitingRequests(lanes(), stats, perVm()),
        perVm: perVm(),
        meanMs: stats?.meanMs ?? null,
      };
    },
  };
}
