import type { Vm } from '../domain/vm.ts';

/** Beyond the period between two looks, a look that comes later than this shows that we stood still. */
const slackMs = 1_000;

interface Seen {
  /** Tells stays in a state apart, also of VMs that had the same name one after the other. */
  readonly stay: string;
  sinceMs: number;
}

/**
 * How long each VM has been in its state, of the time in which this server ran and looked: the time limits of states are
 * held against this. The wall clock plays no part: somebody may set it. Time in which the server was away or stood still
 * is charged to nobody, since nobody could see what a VM did meanwhile.
 */
export class Ages {
  readonly #mostMs: number;
  #countedMs = 0;
  #lookedAtMs: number | undefined;
  #seen = new Map<string, Seen>();

  /** @param periodMs time between two looks when all is well */
  constructor(periodMs: number) {
    this.#mostMs = periodMs + slackMs;
  }

  /** The counted time, in milliseconds; it goes on only by looks. */
  get nowMs(): number {
    return this.#countedMs;
  }

  /**
   * Takes note of the VMs that are there now.
   * @param uptimeMs time of the steady clock
   * @param isStanding whether a VM's time stands, because it can do nothing for a reason that is not its own
   */
  look(
    vms: readonly Pick<Vm, 'name' | 'state' | 'stateSinceMs' | 'createdAtMs'>[],
    uptimeMs: number,
    isStanding: (name: string) => boolean = () => false,
  ): void {
    const passedMs = Math.min(this.#mostMs, uptimeMs - (this.#lookedAtMs ?? uptimeMs));
    this.#lookedAtMs = uptimeMs;
    this.#countedMs += passedMs;
    const seen = new Map<string, Seen>();
    for (const { name, state, stateSinceMs, createdAtMs } of vms) {
      const stay = `${createdAtMs} ${state} ${stateSinceMs}`;
      const known = this.#seen.get(name);
      const isKnown = known?.stay === stay;
      const sinceMs = isKnown ? known.sinceMs + (isStanding(name) ? passedMs : 0) : this.#countedMs;
      seen.set(name, { stay, sinceMs });
    }
    this.#seen = seen;
  }

  /** When a VM came into its state, by the counted time; now for one that no look has seen. */
  sinceMs(name: string): number {
    return this.#seen.get(name)?.sinceMs ?? this.#countedMs;
  }
}
