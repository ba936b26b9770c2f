import type { RequestOutcome } from '../protocol/recording.ts';
import type { Address, Lane, LaneOutcome, LaneOwner } from './lane.ts';
import type { LoadRequest } from './request.ts';

/** A lane whose answers come when a test says so. */
export class FakeLane implements Lane {
  request: LoadRequest | null = null;
  isClosed = false;
  readonly address: Address;
  readonly #owner: LaneOwner;

  constructor(address: Address, owner: LaneOwner) {
    this.address = address;
    this.#owner = owner;
  }

  send(request: LoadRequest): void {
    if (this.request !== null || this.isClosed) throw new RangeError('a lane carries one request at a time');
    this.request = request;
  }

  close(): void {
    this.isClosed = true;
  }

  /** Ends the request that it carries. */
  answer(outcome: LaneOutcome = 'ok', server?: string): void {
    const { request } = this;
    if (request === null || this.isClosed) throw new RangeError('there is nothing to answer');
    this.request = null;
    this.#owner.ended(this, request, outcome, server, outcome === 'ok');
  }

  /** Closes it from the other side while it is idle. */
  vanish(): void {
    this.#owner.gone(this);
  }
}

/** A network of fake lanes. */
export class FakeLanes {
  readonly all: FakeLane[] = [];
  readonly open = (address: Address, owner: LaneOwner): Lane => {
    const lane = new FakeLane(address, owner);
    this.all.push(lane);
    this.onOpen(lane);
    return lane;
  };
  onOpen: (lane: FakeLane) => void = () => undefined;

  /** Those that carry a request, of the server at this port if it is given. */
  busy(port?: number): FakeLane[] {
    return this.all.filter(
      (lane) => lane.request !== null && !lane.isClosed && (port === undefined || lane.address.port === port),
    );
  }
}

/** How requests ended, counted; those that did not occur are left out. */
export function countOutcomes(requests: readonly LoadRequest[]): Partial<Record<RequestOutcome, number>> {
  const counts: Partial<Record<RequestOutcome, number>> = {};
  for (const { outcome } of requests) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}
