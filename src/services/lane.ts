import type { ServiceEndpoint } from '../domain/service.ts';
import type { Traffic } from './held.ts';
import type { TrafficWish } from './rollout.ts';

/** Clients that follow the endpoints have learnt of a change after this. */
const followersKnowMs = 2_000;
/** What a program of one's own still works on is not known; it is given so long. */
const unknownWorkMs = 10_000;

/** Where requests may go: a revision on a VM, as it was wished last. */
export interface Lane extends TrafficWish, ServiceEndpoint {
  /** In its state. */
  readonly sinceMs: number;
  readonly traffic: Traffic;
  readonly trafficSinceMs: number;
  /** Requests on it; null where it is not known. */
  readonly inFlight: number | null;
}

/** A wish, with where it leads and what the VM's agent says is on it. */
export interface LaneWish extends TrafficWish, ServiceEndpoint {
  readonly reportedInFlight: number | null;
}

/** What the balancer says of one server. */
export interface SeenServer {
  readonly isUp: boolean;
  readonly inFlight: number;
}

/** The name of its server in the balancer. */
export function serverName({ vm, slot }: Pick<Lane, 'vm' | 'slot'>): string {
  return `${vm}-${slot}`;
}

/** The lanes as wished, those that were there before with their times. Pure. */
export function wishedLanes(before: readonly Lane[], wishes: readonly LaneWish[], nowMs: number): Lane[] {
  return wishes.map(({ reportedInFlight: inFlight, ...wish }) => {
    const last = before.find((one) => one.vm === wish.vm && one.slot === wish.slot && one.number === wish.number);
    if (last === undefined) {
      const traffic = wish.state === 'serving' ? 'opening' : 'closing';
      return { ...wish, inFlight, sinceMs: nowMs, traffic, trafficSinceMs: nowMs };
    }
    const sinceMs = last.state === wish.state ? last.sinceMs : nowMs;
    return { ...last, ...wish, inFlight, sinceMs };
  });
}

/**
 * A lane as the balancer sees it, asked after the wish was carried out. Pure.
 * @param seen undefined: it does not know such a server, so nothing comes to it
 */
export function balancedLane(lane: Lane, seen: SeenServer | undefined, nowMs: number): Lane {
  const inFlight = seen?.inFlight ?? 0;
  const serving = seen?.isUp === true ? 'open' : 'opening';
  return moved(
    { ...lane, inFlight },
    lane.state === 'serving' ? serving : inFlight === 0 ? 'closed' : 'closing',
    nowMs,
  );
}

/** A lane while the balancer gives no answer: what was open counts as open, but nothing as closed that was not. Pure. */
export function unseenLane(lane: Lane, nowMs: number): Lane {
  const { traffic } = lane;
  if (lane.state === 'serving') return moved(lane, traffic === 'open' ? 'open' : 'opening', nowMs);
  return moved(lane, traffic === 'closed' ? 'closed' : 'closing', nowMs);
}

/** A lane that clients follow and balance themselves. Pure. */
export function followedLane(lane: Lane, nowMs: number): Lane {
  if (lane.state === 'serving') return moved(lane, 'open', nowMs);
  const goneForMs = nowMs - lane.sinceMs;
  const isDone = lane.inFlight === null ? goneForMs >= unknownWorkMs : lane.inFlight === 0;
  return moved(lane, isDone && goneForMs >= followersKnowMs ? 'closed' : 'closing', nowMs);
}

function moved(lane: Lane, traffic: Traffic, nowMs: number): Lane {
  return { ...lane, traffic, trafficSinceMs: lane.traffic === traffic ? lane.trafficSinceMs : nowMs };
}
