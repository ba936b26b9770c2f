/**
 * Port: the front door of services, a load balancer that runs on when the control plane does not.
 * Implementations: `haproxy/` (real), `fake/balancer.ts`. One conformance suite runs on both.
 */
export interface Balancer {
  /**
   * Makes the front door serve exactly these services with these servers. What is as it should be is not touched; servers
   * come, drain and go without a connection being lost. Calls do not overlap. When the balancer died it is started again
   * and filled. Errors: `conflict` (a port is taken: nothing else was changed, but that a balancer which did not run now serves
   * the others; `details.service` says whose), `unavailable`.
   */
  apply(services: readonly BalancedService[]): Promise<void>;
  /** What goes on now; of services and servers that were applied. Errors: `unavailable`. */
  stats(): Promise<BalancedStats[]>;
  /** Lets go of it; it serves on, and the next start finds it again. */
  close(): Promise<void>;
  /** Ends it. */
  stop(): Promise<void>;
}

export interface BalancedService {
  readonly name: string;
  readonly protocol: 'http' | 'tcp';
  /** Where clients connect. */
  readonly host: string;
  readonly port: number;
  /** Where to ask each server over HTTP whether it is well; null: that it takes a connection is enough. */
  readonly healthPath: string | null;
  /** Longer bodies are refused with 413; null: no limit. */
  readonly maxBodyBytes: number | null;
  /** A server that has not answered a request within this is given up for it. tcp: a connection silent for so long is closed. */
  readonly requestTimeoutMs: number;
  /** Requests (tcp: connections) that one server gets at a time; more wait in the balancer. */
  readonly maxPerServer: number;
  readonly servers: readonly BalancedServer[];
}

export interface BalancedServer {
  /** The VM's name and the slot of the revision; unique within the service. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** `draining`: gets no new request; those in flight are finished. */
  readonly state: 'serving' | 'draining';
}

export interface BalancedStats {
  readonly service: string;
  /** Requests that wait for a server. */
  readonly waiting: number;
  /** Mean time of the newest requests from first byte to last; null before the first. */
  readonly meanMs: number | null;
  /**
   * Counts up. `failed`: answered by the balancer itself with 5xx, or cut; not those that it refused because the client did
   * wrong.
   */
  readonly requests: number;
  readonly failed: number;
  readonly servers: readonly {
    readonly name: string;
    /** Whether its own health check thinks well of it. */
    readonly isUp: boolean;
    readonly inFlight: number;
    readonly requests: number;
    /** Mean time of its newest requests; null while there is none. */
    readonly meanMs: number | null;
  }[];
}
