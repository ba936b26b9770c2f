import type { AgentAddress } from '../domain/agent-link.ts';
import type { Vm } from '../domain/vm.ts';
import type { HeldRevision, RolloutVm } from './held.ts';
import type { Lane, LaneWish } from './lane.ts';
import type { KnownReport } from './reports.ts';
import type { TrafficWish } from './rollout.ts';

/** What is known of one VM of a service. */
export interface SeenVm {
  readonly vm: Vm;
  readonly phase: RolloutVm['phase'];
  readonly runtimes: readonly string[];
  readonly held: readonly KnownReport[];
  readonly agent: AgentAddress;
  /** Where its slots can be reached. */
  endpoint(slot: 0 | 1): { readonly host: string; readonly port: number } | undefined;
}

/**
 * A VM as the rollout looks at it. Pure.
 * @param lanes of its service; undefined while it is not known where its requests go: they may then be anywhere
 */
export function rolloutVm(seen: SeenVm, lanes: readonly Lane[] | undefined, nowMs: number): RolloutVm {
  const held = seen.held.map((one): HeldRevision => {
    const lane = lanes?.find(
      (each) => each.vm === seen.vm.name && each.slot === one.slot && each.number === one.number,
    );
    if (lane !== undefined) return { ...one, traffic: lane.traffic, trafficSinceMs: lane.trafficSinceMs };
    const isUnknown = lanes === undefined && one.state === 'serving';
    return { ...one, traffic: isUnknown ? 'closing' : 'none', trafficSinceMs: nowMs };
  });
  return { name: seen.vm.name, phase: seen.phase, runtimes: seen.runtimes, held };
}

/** Wishes with where they lead. One whose VM cannot be reached at that port leads nowhere and is left out. Pure. */
export function laneWishes(traffic: readonly TrafficWish[], seen: readonly SeenVm[]): LaneWish[] {
  return traffic.flatMap((wish) => {
    const vm = seen.find((one) => one.vm.name === wish.vm);
    const endpoint = vm?.endpoint(wish.slot);
    if (vm === undefined || endpoint === undefined) return [];
    const reportedInFlight = vm.held.find((one) => one.number === wish.number)?.inFlight ?? null;
    return [{ ...wish, host: endpoint.host, port: endpoint.port, reportedInFlight }];
  });
}
