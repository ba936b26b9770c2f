import type { Clock } from '../domain/clock.ts';
import type { Hypervisor } from '../domain/hypervisor.ts';
import { Ring } from './ring.ts';
import { type Reading, type Usage, usageBetween } from './usage.ts';

/** Ten minutes of seconds: the longest window that a policy may look at. */
export const keptSamples = 600;

/** Samples what every machine of a hypervisor uses, by one call a time; keeps a bounded ring per machine. */
export class Sampler {
  readonly #hypervisor: Hypervisor;
  readonly #clock: Clock;
  readonly #machines = new Map<string, { last: Reading; usages: Ring<Usage> }>();

  constructor(hypervisor: Hypervisor, clock: Clock) {
    this.#hypervisor = hypervisor;
    this.#clock = clock;
  }

  /** Takes one sample of all; machines that are gone are forgotten. */
  async sample(): Promise<void> {
    const all = await this.#hypervisor.stats();
    const atMs = this.#clock.now();
    const seen = new Set<string>();
    for (const stats of all) {
      seen.add(stats.name);
      this.#take(stats.name, { atMs, stats });
    }
    for (const name of this.#machines.keys()) if (!seen.has(name)) this.#machines.delete(name);
  }

  /** A machine's usage after this time, oldest first, one value a sample; gaps are missing data. */
  usages(name: string, sinceMs: number): Usage[] {
    return this.#machines.get(name)?.usages.newestWhile(({ atMs }) => atMs > sinceMs) ?? [];
  }

  #take(name: string, reading: Reading): void {
    const machine = this.#machines.get(name);
    if (machine === undefined) {
      this.#machines.set(name, { last: reading, usages: new Ring(keptSamples) });
      return;
    }
    const usage = usageBetween(machine.last, reading);
    machine.last = reading;
    if (usage !== undefined) machine.usages.push(usage);
  }
}
