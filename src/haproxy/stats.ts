import type { BalancedService, BalancedStats } from '../domain/balancer.ts';
import { serverId, successor } from './config.ts';
import type { Row } from './tables.ts';
import { type Count, Totals } from './totals.ts';

/** What the workers of one HAProxy count now, by process id. */
export interface Counted {
  /** The worker that takes new connections. */
  readonly worker: number;
  readonly rows: ReadonlyMap<number, readonly Row[]>;
  /** How many requests of a service a worker answered with an error of its own. */
  ownErrors(pid: number, service: string): number;
}

/** Statistics of services over all workers, and over those that have ended. */
export class Stats {
  readonly #totals = new Totals();
  /** Services' newest mean times, for the time after a reload, when the new worker has had no request. */
  readonly #meansMs = new Map<string, number>();
  /** Servers that a check has found well: after a reload they are believed until they are checked again. */
  readonly #proven = new Set<string>();

  /** @param services that were applied */
  update(services: readonly BalancedService[], counted: Counted): BalancedStats[] {
    const ownErrors = (pid: number) => (service: string) => counted.ownErrors(pid, service);
    this.#totals.update(new Map([...counted.rows].map(([pid, rows]) => [pid, countsOf(rows, ownErrors(pid))])));
    this.#forgetOthers(services);
    const rows = counted.rows.get(counted.worker) ?? [];
    const leaving = [...counted.rows].filter(([pid]) => pid !== counted.worker).map(([, its]) => its);
    return services.map((service) => ({
      service: service.name,
      waiting: Math.max(0, waitingIn(service, [rows, ...leaving].flat())),
      meanMs: this.#meanMs(service, rows),
      ...this.#totals.of(service.name),
      servers: service.servers.map((server) => {
        const id = serverId(server);
        const key = `${service.name}/${id}`;
        const row = rows.find((one) => keyOf(one) === key);
        return {
          name: server.name,
          isUp: this.#isUp(row),
          inFlight: inFlightOn(service, id, rows, leaving, server.state === 'draining'),
          requests: this.#totals.of(key).requests,
          meanMs: row !== undefined && row.requests > 0 ? row.meanMs : null,
        };
      }),
    }));
  }

  #meanMs({ name }: BalancedService, rows: readonly Row[]): number | null {
    const row = rows.find((one) => one.kind === 'backend' && one.proxy === name);
    if (row !== undefined && row.requests > 0) this.#meansMs.set(name, row.meanMs);
    return this.#meansMs.get(name) ?? null;
  }

  #isUp(row: Row | undefined): boolean {
    if (row === undefined) return false;
    if (row.isChecked) this.#proven.add(keyOf(row));
    return row.isUp && this.#proven.has(keyOf(row));
  }

  #forgetOthers(services: readonly BalancedService[]): void {
    const names = new Set(services.map(({ name }) => name));
    const servers = services.flatMap(({ name, servers }) => servers.map((server) => `${name}/${serverId(server)}`));
    const keys = new Set([...names, ...servers]);
    this.#totals.keep(keys);
    for (const name of this.#meansMs.keys()) if (!names.has(name)) this.#meansMs.delete(name);
    for (const key of this.#proven) if (!keys.has(key)) this.#proven.delete(key);
  }
}

/** The service of a backend, service and server of a server; of a frontend, what nothing else is called. */
function keyOf({ proxy, kind, server }: Row): string {
  return kind === 'server' ? `${proxy}/${server}` : proxy;
}

/** What a worker passed on to its successor is counted there. */
function countsOf(rows: readonly Row[], ownErrors: (service: string) => number): Map<string, Count> {
  const passedOn = new Map(rows.filter(({ server }) => server === successor).map((row) => [row.proxy, row]));
  return new Map(
    rows.map((row) => {
      const { kind, proxy, requests, failed } = row;
      if (kind !== 'backend') return [keyOf(row), { requests, failed }];
      const less = passedOn.get(proxy);
      return [
        keyOf(row),
        { requests: requests - (less?.requests ?? 0), failed: failed + ownErrors(proxy) - (less?.failed ?? 0) },
      ];
    }),
  );
}

/** Those that are with the service and on no server: in the queue, or held because there is no server. */
function waitingIn({ name }: BalancedService, rows: readonly Row[]): number {
  const own = rows.filter(({ proxy }) => proxy === name);
  return own.reduce((sum, { kind, inFlight }) => sum + (kind === 'backend' ? inFlight : -inFlight), 0);
}

/**
 * Requests on a server, with those of workers that leave. Such a worker cannot be told to drain a server: what waits in it
 * may still come there, and counts as on a server that should drain.
 */
function inFlightOn(
  service: BalancedService,
  id: string,
  rows: readonly Row[],
  leaving: readonly (readonly Row[])[],
  isDraining: boolean,
): number {
  const find = (its: readonly Row[]): Row | undefined =>
    its.find(({ proxy, server }) => proxy === service.name && server === id);
  const ofLeaving = leaving.map((its) => {
    const row = find(its);
    return row === undefined ? 0 : row.inFlight + (isDraining && row.isUp ? waitingIn(service, its) : 0);
  });
  return ofLeaving.reduce((sum, count) => sum + count, find(rows)?.inFlight ?? 0);
}
