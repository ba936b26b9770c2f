import { TidepoolError } from '../domain/errors.ts';
import type { RequestOutcome } from '../protocol/recording.ts';
import type { Address } from './lane.ts';
import { Queue } from './queue.ts';
import type { LoadRequest } from './request.ts';
import { type SendOptions, Server, type ServerAddress } from './server.ts';

export interface DispatcherOptions extends SendOptions {
  /** A request that has not ended so long after it was due is given up. */
  readonly timeoutMs: number;
  /** Requests that wait or are under way; what is due beyond this is dropped. */
  readonly mostInFlight: number;
  onEnd(request: LoadRequest): void;
}

const sweepMs = 100;
/** More than a pool can have. */
export const mostServers = 2_000;

/** Sends requests to the server that has the fewest in flight, and sees to it that each ends. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #waiting = new Queue<LoadRequest>();
  #servers: Server[] = [];
  /** Removed, but not yet done with what they were sent. */
  #leaving: Server[] = [];
  #turn = 0;
  #inFlight = 0;
  #cancelSweep: () => void;
  #onIdle: (() => void) | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#cancelSweep = options.clock.after(sweepMs, () => this.#sweep());
  }

  /** Requests that were submitted and have not ended. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get servers(): readonly ServerAddress[] {
    return this.#servers;
  }

  /** Adds a server; one that is there already at this address only gets the name. Errors: `exhausted`. */
  add(address: ServerAddress): void {
    const known = this.#find(address);
    if (known !== undefined) known.name = address.name;
    else if (this.#servers.length < mostServers) this.#servers.push(new Server(address, this.#options, this));
    else throw new TidepoolError('exhausted', `there are ${mostServers} servers, and no more are taken`);
    this.#sendWaiting();
  }

  /** What it was sent is still waited for. */
  remove(address: Address): void {
    const server = this.#find(address);
    if (server === undefined) return;
    this.#servers = this.#servers.filter((other) => other !== server);
    this.#leaving.push(server);
    server.leave();
  }

  /** Sends a request, keeps it waiting, or drops it. */
  submit(request: LoadRequest): void {
    if (this.#inFlight >= this.#options.mostInFlight) {
      this.#end(request, 'dropped');
      return;
    }
    this.#inFlight += 1;
    this.#dispatch(request);
  }

  /** Resolves when nothing is in flight; requests that wait for it all end by their time limit. */
  async idle(): Promise<void> {
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  /** Closes all connections; what is in flight is never heard of again. */
  close(): void {
    this.#cancelSweep();
    for (const server of [...this.#servers, ...this.#leaving]) server.close();
  }

  /** One has ended. For servers. */
  finished(request: LoadRequest, outcome: RequestOutcome): void {
    this.#inFlight -= 1;
    this.#end(request, outcome);
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  /** Sends it once more. For servers. */
  repeat(request: LoadRequest): void {
    request.isRepeated = true;
    this.#dispatch(request);
  }

  /** For servers. */
  nextWaiting(): LoadRequest | undefined {
    return this.#waiting.shift();
  }

  #dispatch(request: LoadRequest): void {
    const server = this.#choose();
    if (server === undefined) this.#waiting.push(request);
    else server.send(request);
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0) {
      const server = this.#choose();
      const request = server === undefined ? undefined : this.#waiting.shift();
      if (server === undefined || request === undefined) return;
      server.send(request);
    }
  }

  /**
   * The one with the fewest in flight, by turns among equals; undefined when none has room. One that cannot be reached
   * fails fast, so it would always have the fewest: it gets nothing for a while when there are others.
   */
  #choose(): Server | undefined {
    const count = this.#servers.length;
    if (count === 1) return this.#servers[0]?.hasRoom === true ? this.#servers[0] : undefined;
    const nowMs = this.#options.clock.now();
    let best: Server | undefined;
    this.#turn += 1;
    for (let i = 0; i < count; i += 1) {
      const server = this.#servers[(this.#turn + i) % count];
      if (server?.hasRoom !== true) continue;
      if (best === undefined || server.isBetterThan(best, nowMs)) best = server;
    }
    return best;
  }

  #end(request: LoadRequest, outcome: RequestOutcome): void {
    request.outcome = outcome;
    request.endedMs = this.#options.clock.now();
    this.#options.onEnd(request);
  }

  #find({ host, port }: Address): Server | undefined {
    return this.#servers.find((server) => server.host === host && server.port === port);
  }

  /** Gives up what is too late. */
  #sweep(): void {
    const { clock, timeoutMs } = this.#options;
    const nowMs = clock.now();
    const latestDueMs = nowMs - timeoutMs;
    for (const server of [...this.#servers, ...this.#leaving]) server.expire(latestDueMs, nowMs);
    this.#leaving = this.#leaving.filter((server) => !server.hasLeft);
    for (let first = this.#waiting.first; first !== undefined; first = this.#waiting.first) {
      if (first.dueMs > latestDueMs) break;
      this.#waiting.shift();
      this.finished(first, this.#servers.length === 0 ? 'no server' : 'timeout');
    }
    this.#cancelSweep = clock.after(sweepMs, () => this.#sweep());
  }
}
