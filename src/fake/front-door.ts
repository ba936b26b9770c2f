import type { BalancedServer, BalancedService } from '../domain/balancer.ts';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';

/** A request as far as the front door looks at it, and how long a server works on it. */
export interface FakeRequest {
  readonly method: string;
  readonly bodyBytes: number;
  readonly workMs: number;
  /** Its work ends when this is over, in place of after `workMs`. */
  readonly until?: Promise<void>;
}

/** `server` is the address (`host:port`) that answered; '' when the front door did. */
export interface FakeAnswer {
  readonly status: number;
  readonly server: string;
}

/** What a balancer process keeps of one server. */
interface Place {
  server: BalancedServer;
  inFlight: number;
  requests: number;
}

/** What it keeps of one service. */
export interface FakeServiceState {
  service: BalancedService;
  readonly places: Map<string, Place>;
  waiting: number;
  requests: number;
  failed: number;
  meanMs: number | null;
}

const retries = 3;
const idempotent = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'];
const pollMs = 5;

/** The world around FakeBalancers: servers, ports, clients, and the balancing process, which outlives each of them. */
export class FakeFrontDoor {
  /** On which other programs listen. */
  readonly takenPorts = new Set<number>();
  /** By service; undefined while the process is dead. */
  states: Map<string, FakeServiceState> | undefined;
  /** Told when the process dies. */
  onDeath: () => void = () => undefined;
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #servers = new Map<string, AbortController>();

  /** @param waitMs how long a request waits for a server */
  constructor(clock: Clock, waitMs: number) {
    this.#clock = clock;
    this.#waitMs = waitMs;
  }

  /** Something answers there from now on. */
  startServer(host: string, port: number): void {
    this.#servers.set(`${host}:${port}`, new AbortController());
  }

  /** Nothing does any more; what it worked on is cut. */
  killServer(host: string, port: number): void {
    this.#servers.get(`${host}:${port}`)?.abort();
    this.#servers.delete(`${host}:${port}`);
  }

  isAlive({ host, port }: Pick<BalancedServer, 'host' | 'port'>): boolean {
    return this.#servers.has(`${host}:${port}`);
  }

  /** The balancing process dies with all that it knows. */
  kill(): void {
    this.states = undefined;
    this.onDeath();
  }

  /** One request of a client. Errors: `unavailable` when nobody listens on the port. */
  async send(port: number, request: FakeRequest): Promise<FakeAnswer> {
    const state = [...(this.states?.values() ?? [])].find(({ service }) => service.port === port);
    if (state === undefined) throw new TidepoolError('unavailable', `nobody listens on port ${port}`);
    const { maxBodyBytes } = state.service;
    if (maxBodyBytes !== null && request.bodyBytes > maxBodyBytes) return { status: 413, server: '' };
    const startedAtMs = this.#clock.now();
    state.requests += 1;
    const answer = await this.#balance(state, request);
    if (answer.server === '') state.failed += 1;
    state.meanMs = this.#clock.now() - startedAtMs;
    return answer;
  }

  async #balance(state: FakeServiceState, request: FakeRequest): Promise<FakeAnswer> {
    const refused = new Set<Place>();
    for (let tries = 0; tries <= retries; tries += 1) {
      const place = await this.#takePlace(state, refused);
      if (place === undefined) return { status: 503, server: '' };
      const outcome = await this.#work(place, request, state.service.requestTimeoutMs);
      if (outcome === 'done') return { status: 200, server: `${place.server.host}:${place.server.port}` };
      if (outcome === 'late') return { status: 504, server: '' };
      if (outcome === 'cut' && !idempotent.includes(request.method)) return { status: 502, server: '' };
      refused.add(place);
    }
    return { status: 503, server: '' };
  }

  /** A place on the least busy server with room; the request waits for one as long as it may. */
  async #takePlace(state: FakeServiceState, refused: ReadonlySet<Place>): Promise<Place | undefined> {
    const endsAtMs = this.#clock.now() + this.#waitMs;
    state.waiting += 1;
    try {
      while (this.#clock.now() <= endsAtMs) {
        const serving = [...state.places.values()].filter(
          (place) => place.server.state === 'serving' && !refused.has(place),
        );
        const [best] = serving
          .filter(({ inFlight }) => inFlight < state.service.maxPerServer)
          .sort((a, b) => a.inFlight - b.inFlight || a.requests - b.requests);
        if (best !== undefined) {
          best.inFlight += 1;
          best.requests += 1;
          return best;
        }
        if (serving.length === 0 && refused.size > 0) return undefined;
        await this.#clock.sleep(pollMs);
      }
      return undefined;
    } finally {
      state.waiting -= 1;
    }
  }

  async #work(
    place: Place,
    { workMs, until }: FakeRequest,
    limitMs: number,
  ): Promise<'done' | 'late' | 'refused' | 'cut'> {
    const server = this.#servers.get(`${place.server.host}:${place.server.port}`);
    const isOver = new AbortController();
    void until?.then(() => isOver.abort());
    try {
      if (server === undefined) return 'refused';
      const lengthMs = until === undefined ? workMs : Number.POSITIVE_INFINITY;
      await this.#clock.sleep(Math.min(lengthMs, limitMs), AbortSignal.any([server.signal, isOver.signal]));
      return lengthMs <= limitMs ? 'done' : 'late';
    } catch {
      // The sleep was cut short, by the end of the work or with the server.
      return server?.signal.aborted ? 'cut' : 'done';
    } finally {
      place.inFlight -= 1;
    }
  }
}
