import type { RequestOutcome } from '../protocol/recording.ts';
import type { LoadClock } from './clock.ts';
import type { Address, Lane, LaneOutcome, LaneOwner, OpenLane } from './lane.ts';
import type { LoadRequest } from './request.ts';

/** A server and how it is called: the VM's name, or where it is. */
export interface ServerAddress extends Address {
  readonly name: string;
}

/** How requests are sent to a server. */
export interface SendOptions {
  readonly clock: LoadClock;
  readonly openLane: OpenLane;
  /** Connections or sockets to one server; requests beyond wait for one. */
  readonly lanesPerServer: number;
  /** A connection that is older is not used again: a balancer may send the next one elsewhere. */
  readonly laneAgeMs: number;
  /** Whether a request may be sent a second time after its connection turned out to be stale. */
  readonly canRepeat: boolean;
}

/** The dispatcher, as its servers see it. */
interface Boss {
  finished(request: LoadRequest, outcome: RequestOutcome): void;
  /** Send it again, to whichever server. */
  repeat(request: LoadRequest): void;
  /** The next request that waits for a free lane. */
  nextWaiting(): LoadRequest | undefined;
}

/** How long a server that cannot be reached is passed over when there are others. */
const restMs = 1_000;

/** One server that requests are sent to, with its connections. */
export class Server implements LaneOwner {
  name: string;
  readonly host: string;
  readonly port: number;
  readonly #options: SendOptions;
  readonly #boss: Boss;
  /** Each with the time at which it was opened. */
  readonly #lanes = new Map<Lane, number>();
  readonly #idle: Lane[] = [];
  #busy = 0;
  #restUntilMs = 0;
  #isLeaving = false;

  constructor({ name, host, port }: ServerAddress, options: SendOptions, boss: Boss) {
    this.name = name;
    this.host = host;
    this.port = port;
    this.#options = options;
    this.#boss = boss;
  }

  get hasRoom(): boolean {
    return this.#busy < this.#options.lanesPerServer;
  }

  /** Nothing is on its way to it any more. */
  get hasLeft(): boolean {
    return this.#isLeaving && this.#busy === 0;
  }

  isBetterThan(other: Server, nowMs: number): boolean {
    const rests = nowMs < this.#restUntilMs;
    if (rests !== nowMs < other.#restUntilMs) return !rests;
    return this.#busy < other.#busy;
  }

  send(request: LoadRequest): void {
    this.#busy += 1;
    // Other idle connections may be as stale as the one that it was on.
    let lane = request.isRepeated ? undefined : this.#idle.pop();
    if (lane === undefined) {
      lane = this.#options.openLane(this, this);
      this.#lanes.set(lane, this.#options.clock.now());
    }
    lane.send(request);
  }

  ended(lane: Lane, request: LoadRequest, outcome: LaneOutcome, server: string | undefined, isUsable: boolean): void {
    this.#busy -= 1;
    if (isUsable && !this.#isLeaving && !this.#isOld(lane, this.#options.clock.now())) this.#idle.push(lane);
    else this.#drop(lane);
    request.server = server ?? this.name;
    if (outcome === 'stale' && this.#options.canRepeat && !request.isRepeated) this.#boss.repeat(request);
    else {
      if (outcome === 'connect') this.#restUntilMs = this.#options.clock.now() + restMs;
      this.#boss.finished(request, outcome === 'stale' ? 'reset' : outcome);
    }
    if (this.#isLeaving || !this.hasRoom) return;
    const next = this.#boss.nextWaiting();
    if (next !== undefined) this.send(next);
  }

  gone(lane: Lane): void {
    this.#lanes.delete(lane);
    const at = this.#idle.indexOf(lane);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Gives up requests that were due at this time or before, and closes connections that idle for too long. */
  expire(latestDueMs: number, nowMs: number): void {
    for (const lane of [...this.#lanes.keys()]) {
      const { request } = lane;
      if (request === null) {
        if (this.#isOld(lane, nowMs)) this.#closeIdle(lane);
      } else if (request.dueMs <= latestDueMs) {
        // Its answer may still come, and would be taken for that of the next request.
        lane.close();
        this.ended(lane, request, 'timeout', undefined, false);
      }
    }
  }

  /** Gets no more requests; those that it has are finished. */
  leave(): void {
    this.#isLeaving = true;
    for (const lane of [...this.#idle]) this.#closeIdle(lane);
  }

  close(): void {
    for (const lane of this.#lanes.keys()) lane.close();
    this.#lanes.clear();
  }

  #isOld(lane: Lane, nowMs: number): boolean {
    const openedMs = this.#lanes.get(lane);
    return openedMs !== undefined && nowMs - openedMs > this.#options.laneAgeMs;
  }

  #closeIdle(lane: Lane): void {
    this.gone(lane);
    lane.close();
  }

  #drop(lane: Lane): void {
    this.#lanes.delete(lane);
    lane.close();
  }
}
