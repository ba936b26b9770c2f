import type { BalancedService } from '../domain/balancer.ts';
import type { Clock } from '../domain/clock.ts';
import type { BusyServer } from './changes.ts';
import { serverId } from './config.ts';
import type { KnownServer, Row } from './tables.ts';

/** Keeps since when servers are not wanted any more: each may work on what it has as long as a request of its service may take. */
export class Overdue {
  readonly #clock: Clock;
  readonly #sinceMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether there are servers that are to be removed. */
  get hasAny(): boolean {
    return this.#sinceMs.size > 0;
  }

  /** The servers that HAProxy has with what is on them; takes note of those that are not wanted. */
  judge(services: readonly BalancedService[], known: readonly KnownServer[], rows: readonly Row[]): BusyServer[] {
    const wanted = new Set(
      services.flatMap((service) => service.servers.map((server) => keyOf(service.name, serverId(server)))),
    );
    const unwanted = new Set(known.map(({ service, id }) => keyOf(service, id)).filter((key) => !wanted.has(key)));
    for (const key of this.#sinceMs.keys()) if (!unwanted.has(key)) this.#sinceMs.delete(key);
    for (const key of unwanted) if (!this.#sinceMs.has(key)) this.#sinceMs.set(key, this.#clock.now());
    const limits = new Map(services.map(({ name, requestTimeoutMs }) => [name, requestTimeoutMs]));
    return known.map((server) => {
      const since = this.#sinceMs.get(keyOf(server.service, server.id)) ?? this.#clock.now();
      return {
        ...server,
        inFlight: rows.find((row) => row.proxy === server.service && row.server === server.id)?.inFlight ?? 0,
        isOverdue: this.#clock.now() - since >= (limits.get(server.service) ?? 0),
      };
    });
  }
}

function keyOf(service: string, id: string): string {
  return `${service}/${id}`;
}
