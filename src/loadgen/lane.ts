import type { RequestOutcome } from '../protocol/recording.ts';
import type { LoadRequest } from './request.ts';

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A connection or socket. It carries one request at a time, so an answer belongs to the request that is on it. */
export interface Lane {
  /** What it carries; null while it is idle. */
  readonly request: LoadRequest | null;
  /** Only while it is idle. The owner is told once how it ended. */
  send(request: LoadRequest): void;
  /** Ends it at once, whatever it carries; the owner is told nothing more. */
  close(): void;
}

/** `stale`: a connection that had been used before was closed before any byte of the answer, as idle ones are. */
export type LaneOutcome = RequestOutcome | 'stale';

/** Who opened lanes, and is told what becomes of them. */
export interface LaneOwner {
  /** The lane's request has ended. @param server who answered, if the answer says so  @param isUsable for another one */
  ended(lane: Lane, request: LoadRequest, outcome: LaneOutcome, server: string | undefined, isUsable: boolean): void;
  /** An idle lane was closed by the other side. */
  gone(lane: Lane): void;
}

export type OpenLane = (address: Address, owner: LaneOwner) => Lane;
