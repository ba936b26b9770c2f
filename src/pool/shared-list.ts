import type { Clock } from '../domain/clock.ts';
import type { Machine } from '../domain/hypervisor.ts';
import type { PoolHypervisor } from './limited-hypervisor.ts';

/** Between the beginnings of two listings. */
const pauseMs = 500;

/**
 * Lists the machines of a hypervisor for all pools together, since each listing has all of them in it: at most two begin in a
 * second. Whoever asks gets a listing that began afterwards, so that what he did before is in it.
 */
export class SharedList {
  readonly #hypervisor: Pick<PoolHypervisor, 'list'>;
  readonly #clock: Clock;
  /** The one that has not begun yet. */
  #next: Promise<Machine[]> | undefined;
  #beganAtMs = Number.NEGATIVE_INFINITY;

  constructor(hypervisor: Pick<PoolHypervisor, 'list'>, clock: Clock) {
    this.#hypervisor = hypervisor;
    this.#clock = clock;
  }

  list(): Promise<Machine[]> {
    this.#next ??= this.#listSoon();
    return this.#next;
  }

  async #listSoon(): Promise<Machine[]> {
    const waitMs = this.#beganAtMs + pauseMs - this.#clock.uptimeMs();
    // Even without a pause those who ask in the same turn share it.
    await (waitMs > 0 ? this.#clock.sleep(waitMs) : undefined);
    this.#next = undefined;
    this.#beganAtMs = this.#clock.uptimeMs();
    return this.#hypervisor.list();
  }
}

/** The same hypervisor, whose machines all pools list together. */
export function withSharedList(hypervisor: PoolHypervisor, clock: Clock): PoolHypervisor {
  const shared = new SharedList(hypervisor, clock);
  return {
    hostRoom: () => hypervisor.hostRoom(),
    list: () => shared.list(),
    get: (name) => hypervisor.get(name),
    create: (spec) => hypervisor.create(spec),
    suspend: (name) => hypervisor.suspend(name),
    resume: (name) => hypervisor.resume(name),
    remove: (name) => hypervisor.remove(name),
    onEvent: (listener) => hypervisor.onEvent(listener),
  };
}
