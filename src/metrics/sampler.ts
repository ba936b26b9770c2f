import type { Clock } from '../domain/clock.ts';
import type { Hypervisor } from '../domain/hypervisor.ts';
import { type Reading, type Usage, usageBetween } from './usage.ts';
import { UsageRing } from './usage-ring.ts';

/** Ten minutes of seconds: the longest window that a policy may look at. */
export const keptSamples = 600;
/** Maximum number of samples of all machines together (128 MB): with more than 3,333 machines each keeps fewer. */
export const mostSamples = 2_000_000;

interface Sampled {
  last: Reading;
  /** The newest usage, with its time by the steady clock; undefined before the first. */
  newest: { readonly uptimeMs: number; readonly cpuWanted: number } | undefined;
  readonly usages: UsageRing;
}

/** Samples what every machine of a hypervisor uses, by one call a time; keeps a bounded number of them. */
export class Sampler {
  readonly #hypervisor: Hypervisor;
  readonly #clock: Clock;
  readonly #machines = new Map<string, Sampled>();

  constructor(hypervisor: Hypervisor, clock: Clock) {
    this.#hypervisor = hypervisor;
    this.#clock = clock;
  }

  /** Takes one sample of all; machines that are gone are forgotten. */
  async sample(): Promise<void> {
    const all = await this.#hypervisor.stats();
    const [atMs, uptimeMs] = [this.#clock.now(), this.#clock.uptimeMs()];
    const seen = new Set<string>();
    const most = Math.max(1, Math.min(keptSamples, Math.floor(mostSamples / Math.max(1, all.length))));
    for (const stats of all) {
      seen.add(stats.name);
      this.#take(stats.name, { atMs, uptimeMs, stats }, most);
    }
    for (const name of this.#machines.keys()) if (!seen.has(name)) this.#machines.delete(name);
  }

  /**
   * A machine's usage after this time, oldest first, one value a sample; gaps are missing data.
   * @param most maximum number; the newest are taken
   */
  usages(name: string, sinceMs: number, most?: number): Usage[] {
    return this.#machines.get(name)?.usages.after(sinceMs, most) ?? [];
  }

  /**
   * CPU that a machine used or waited for, 0 to 1, at its newest sample since then; undefined when there is none, which
   * says nothing of the machine. @param sinceUptimeMs time of the steady clock
   */
  cpuWantedSince(name: string, sinceUptimeMs: number): number | undefined {
    const newest = this.#machines.get(name)?.newest;
    return newest !== undefined && newest.uptimeMs > sinceUptimeMs ? newest.cpuWanted : undefined;
  }

  #take(name: string, reading: Reading, most: number): void {
    const machine = this.#machines.get(name);
    if (machine === undefined) {
      this.#machines.set(name, { last: reading, newest: undefined, usages: new UsageRing() });
      return;
    }
    const usage = usageBetween(machine.last, reading);
    // The counters that are there make a usage with the next ones that are.
    if (reading.stats.cpuTimeNs !== null) machine.last = reading;
    if (usage === undefined) return;
    machine.usages.push(usage, most);
    machine.newest = { uptimeMs: reading.uptimeMs, cpuWanted: usage.cpuWanted };
  }
}
