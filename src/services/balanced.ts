import type { BalancedService } from '../domain/balancer.ts';
import type { Flavor } from '../domain/flavor.ts';
import type { RevisionSpec, Service } from '../domain/service.ts';
import { handlerHealthPath } from '../protocol/agent-service.ts';
import { type LaneWish, serverName } from './lane.ts';

/** Threads of a handler wait for one another, so more than some at a time only makes all of them slower. */
const perProcess = 8;
const fewestPerServer = 16;
/** A handler that hangs is ended by its VM, which answers for it; the balancer gives up a little later. */
const graceMs = 2_000;
/** A program of one's own says nothing of how it works. */
const perCommand = 256;

/**
 * What the balancer is to know of a service: null for one that clients balance themselves. While two revisions serve, the
 * wider of their limits holds. Pure.
 * @param specs of what serves
 */
export function balancedService(
  service: Service,
  specs: readonly RevisionSpec[],
  lanes: readonly LaneWish[],
  flavor: Flavor | undefined,
  host: string,
): BalancedService | null {
  if (service.protocol === 'udp' || service.port === null) return null;
  const isHttp = service.protocol === 'http';
  const hasHealthPath = isHttp && specs.length > 0 && specs.every(({ entry }) => entry.kind === 'handler');
  return {
    ...{ name: service.name, protocol: service.protocol, host, port: service.port },
    healthPath: hasHealthPath ? handlerHealthPath : null,
    maxBodyBytes: isHttp ? Math.max(1, ...specs.map((spec) => spec.maxBodyBytes)) : null,
    requestTimeoutMs: Math.max(0, ...specs.map((spec) => spec.requestTimeoutMs)) + graceMs,
    maxPerServer: Math.max(fewestPerServer, ...specs.map((spec) => mostAtATime(spec, flavor))),
    servers: lanes.map((lane) => ({ name: serverName(lane), host: lane.host, port: lane.port, state: lane.state })),
  };
}

/** Requests that one VM works on at a time, each at its full speed. Pure. */
export function perVm(spec: RevisionSpec | undefined, flavor: Flavor | undefined): number {
  const vcpus = flavor?.vcpus ?? 1;
  return Math.max(1, Math.min(spec?.processes ?? vcpus, vcpus));
}

function mostAtATime(spec: RevisionSpec, flavor: Flavor | undefined): number {
  return spec.entry.kind === 'command' ? perCommand : perProcess * (spec.processes ?? flavor?.vcpus ?? 1);
}
