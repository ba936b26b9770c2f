import type { BalancedService } from '../domain/balancer.ts';
import type { Clock } from '../domain/clock.ts';
import type { BusyServer } from './changes.ts';
import { serverId } from './config.ts';
import type { KnownServer, Row } from './tables.ts';

/** Longer than `timeout connect`: what HAProxy was about to send to a server when it went down has gone elsewhere by then. */
const deadAfterSeconds = 3;

/** Keeps since when servers are not wanted any more: each may work on what it has as long as a request of its service may take. */
export class Overdue {
  readonly #clock: Clock;
  readonly #sinceMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The servers that HAProxy has with what is on them; takes note of those that are not wanted. */
  judge(services: readonly BalancedService[], known: readonly KnownServer[], rows: readonly Row[]): BusyServer[] {
    const wanted = new Set(
      services.flatMap((service) => service.servers.map((server) => keyOf(service.name, serverId(server)))),
    );
    const unwanted = new Set(known.map(({ service, id }) => keyOf(service, id)).filter((key) => !wanted.has(key)));
    for (const key of this.#sinceMs.keys()) if (!unwanted.has(key)) this.#sinceMs.delete(key);
    for (const key of unwanted) if (!this.#sinceMs.has(key)) this.#sinceMs.set(key, this.#clock.uptimeMs());
    const limits = new Map(services.map(({ name, requestTimeoutMs }) => [name, requestTimeoutMs]));
    return known.map((server) => {
      const sinceMs = this.#sinceMs.get(keyOf(server.service, server.id));
      const row = rows.find(({ proxy, server: id }) => proxy === server.service && id === server.id);
      return {
        ...server,
        inFlight: row?.inFlight ?? 0,
        isOverdue: sinceMs !== undefined && this.#clock.uptimeMs() - sinceMs >= (limits.get(server.service) ?? 0),
        isDead: row?.isDown === true && row.steadySeconds >= deadAfterSeconds,
      };
    });
  }
}

function keyOf(service: string, id: string): string {
  return `${service}/${id}`;
}
