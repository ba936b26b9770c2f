import type { BalancedService, BalancedStats, Balancer } from '../domain/balancer.ts';
import type { Clock } from '../domain/clock.ts';
import { type ErrorCode, TidepoolError } from '../domain/errors.ts';
import type { FakeFrontDoor, FakeServiceState } from './front-door.ts';

const restartMs = 10;

/** Balancer on a front door in this process. */
export class FakeBalancer implements Balancer {
  /** What goes wrong: called before each call; an error code that it returns is thrown, and nothing is done. */
  fault: (call: 'apply' | 'stats') => ErrorCode | undefined = () => undefined;
  /** As given to the last `apply` that went well. */
  applied: readonly BalancedService[] = [];
  readonly #door: FakeFrontDoor;
  #isClosed = false;

  constructor(door: FakeFrontDoor, clock: Clock) {
    this.#door = door;
    door.onDeath = () => clock.after(restartMs, () => this.#restart());
  }

  async apply(services: readonly BalancedService[]): Promise<void> {
    this.#check('apply');
    const states = this.#door.states ?? new Map<string, FakeServiceState>();
    for (const [index, service] of services.entries()) {
      const isOurs = [...states.values()].some((state) => state.service.port === service.port);
      const isTwice = services.slice(0, index).some(({ port }) => port === service.port);
      if (isTwice || (!isOurs && this.#door.takenPorts.has(service.port))) throw portTaken(service);
    }
    this.#door.states = states;
    for (const name of states.keys()) if (!services.some((service) => service.name === name)) states.delete(name);
    for (const service of services) fill(states, service);
    this.applied = services;
  }

  async stats(): Promise<BalancedStats[]> {
    this.#check('stats');
    const { states } = this.#door;
    if (states === undefined && this.applied.length > 0)
      throw new TidepoolError('unavailable', 'the front door does not run at the moment');
    return this.applied.flatMap(({ name, servers }) => {
      const state = states?.get(name);
      if (state === undefined) return [];
      const { waiting, meanMs, requests, failed, places } = state;
      return {
        ...{ service: name, waiting, meanMs, requests, failed },
        servers: servers.map((server) => {
          const place = places.get(keyOf(server));
          const isUp = this.#door.isAlive(server);
          const { inFlight, requests } = place ?? { inFlight: 0, requests: 0 };
          return { name: server.name, isUp, inFlight, requests, meanMs: requests > 0 ? meanMs : null };
        }),
      };
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async stop(): Promise<void> {
    this.#isClosed = true;
    this.#door.states = undefined;
  }

  #restart(): void {
    if (this.#isClosed || this.#door.states !== undefined) return;
    const states = new Map<string, FakeServiceState>();
    for (const service of this.applied) fill(states, service);
    this.#door.states = states;
  }

  #check(call: 'apply' | 'stats'): void {
    const code = this.fault(call);
    if (code !== undefined) throw new TidepoolError(code, `${call} was made to fail`);
  }
}

/** Servers that went lose their place; requests that are on them still end. */
function fill(states: Map<string, FakeServiceState>, service: BalancedService): void {
  const fresh = { service, places: new Map(), waiting: 0, requests: 0, failed: 0, meanMs: null };
  const state: FakeServiceState = states.get(service.name) ?? fresh;
  state.service = service;
  const keys = new Set(service.servers.map(keyOf));
  for (const key of state.places.keys()) if (!keys.has(key)) state.places.delete(key);
  for (const server of service.servers) {
    const place = state.places.get(keyOf(server)) ?? { server, inFlight: 0, requests: 0 };
    place.server = server;
    state.places.set(keyOf(server), place);
  }
  states.set(service.name, state);
}

function keyOf({ name, host, port }: BalancedService['servers'][number]): string {
  return `${name}:${host}:${port}`;
}

function portTaken({ name, port }: BalancedService): TidepoolError {
  return new TidepoolError('conflict', `the service ${name} cannot have port ${port}: it is taken`, {
    details: { service: name, port },
  });
}
