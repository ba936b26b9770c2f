import type { BalancedService, BalancedStats, Balancer } from '../domain/balancer.ts';
import { hasCode, toTidepoolError } from '../domain/errors.ts';
import { balancedLane, followedLane, type Lane, type LaneWish, serverName, unseenLane, wishedLanes } from './lane.ts';

/** What the front door should do for one service. */
export interface FrontWish {
  readonly service: string;
  /** Null: clients follow the endpoints and balance themselves. */
  readonly balanced: BalancedService | null;
  readonly lanes: readonly LaneWish[];
}

/**
 * The front door of all services: hands wishes to the balancer, and keeps what is known of where requests go. A service
 * whose port is taken by another program is left out, so that it does not hold up the others.
 */
export class Front {
  readonly #balancer: Balancer;
  readonly #log: (message: string) => void;
  readonly #lanes = new Map<string, readonly Lane[]>();
  #stats = new Map<string, BalancedStats>();
  #problems = new Map<string, string>();
  /** Why the balancer gives no answer; '' when it does. */
  #silence = '';
  #complaint = '';

  constructor(balancer: Balancer, log: (message: string) => void) {
    this.#balancer = balancer;
    this.#log = log;
  }

  /** Undefined while nothing has been settled for the service: then it is not known where its requests go. */
  lanes(service: string): readonly Lane[] | undefined {
    return this.#lanes.get(service);
  }

  /** As of the balancer; undefined for services that it does not serve. */
  stats(service: string): BalancedStats | undefined {
    return this.#stats.get(service);
  }

  /** Whether the balancer answered when it was asked last; while it does not, its numbers are old. */
  get isAnswering(): boolean {
    return this.#silence === '';
  }

  /** Why clients cannot come in, or undefined. */
  problem(service: string): string | undefined {
    return this.#problems.get(service);
  }

  /** Carries out the wishes of all services; what a service had that is not among them is gone. */
  async settle(wishes: readonly FrontWish[], nowMs: () => number): Promise<void> {
    for (const service of this.#lanes.keys())
      if (!wishes.some((wish) => wish.service === service)) this.#lanes.delete(service);
    const applied = await this.#apply(wishes.flatMap(({ balanced }) => balanced ?? []));
    const stats = await this.#ask();
    this.#complain();
    for (const { service, balanced, lanes } of wishes) {
      const before = this.#lanes.get(service) ?? [];
      // What was not carried out leaves things as they were.
      if (balanced !== null && !applied.has(service)) {
        if (this.#lanes.has(service))
          this.#lanes.set(
            service,
            before.map((lane) => unseenLane(lane, nowMs())),
          );
        continue;
      }
      const wished = wishedLanes(before, lanes, nowMs());
      const seen = stats?.get(service);
      const look = (lane: Lane): Lane => {
        if (balanced === null) return followedLane(lane, nowMs());
        if (stats === undefined) return unseenLane(lane, nowMs());
        return balancedLane(
          lane,
          seen?.servers.find((one) => one.name === serverName(lane)),
          nowMs(),
        );
      };
      this.#lanes.set(service, wished.map(look));
    }
  }

  /** The names of the services that are now as wished. */
  async #apply(services: readonly BalancedService[]): Promise<Set<string>> {
    const problems = new Map<string, string>();
    let left = services;
    try {
      for (;;) {
        const taken = await this.#tryApply(left);
        if (taken === undefined) break;
        problems.set(taken.service, taken.message);
        left = left.filter((one) => one.name !== taken.service);
      }
    } catch (error) {
      const { message } = toTidepoolError(error);
      for (const { name } of left) problems.set(name, message);
      left = [];
    }
    this.#problems = problems;
    return new Set(left.map((one) => one.name));
  }

  /** The service whose port is taken, or undefined when all was done. */
  async #tryApply(services: readonly BalancedService[]): Promise<{ service: string; message: string } | undefined> {
    try {
      await this.#balancer.apply(services);
      return undefined;
    } catch (error) {
      const service = hasCode(error, 'conflict') ? error.details.service : undefined;
      if (typeof service !== 'string' || !services.some((one) => one.name === service)) throw error;
      return { service, message: toTidepoolError(error).message };
    }
  }

  async #ask(): Promise<Map<string, BalancedStats> | undefined> {
    try {
      this.#stats = new Map((await this.#balancer.stats()).map((one) => [one.service, one]));
      this.#silence = '';
      return this.#stats;
    } catch (error) {
      this.#silence = toTidepoolError(error).message;
      return undefined;
    }
  }

  /** Says a thing once, not with each step. */
  #complain(): void {
    const complaint = [...new Set([...this.#problems.values(), this.#silence])].filter((one) => one !== '').join('; ');
    if (complaint !== this.#complaint && complaint !== '') this.#log(`front door: ${complaint}`);
    this.#complaint = complaint;
  }
}
