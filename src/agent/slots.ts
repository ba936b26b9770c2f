import { TidepoolError } from '../domain/errors.ts';
import type { AgentClock } from './clock.ts';
import type { AgentPaths } from './paths.ts';
import { maxSlots, prepareSlot, type Slot } from './slot.ts';

/** Slots that wait prepared for a job. */
const wantedSpare = 2;
/** A new spare is made this long after one was taken, when the job that took it has had the CPU for its start. */
const refillAfterMs = 1_500;

/** All slots of the guest, and which of them are free. */
export class Slots {
  readonly #paths: AgentPaths;
  readonly #clock: AgentClock;
  readonly #log: (line: string) => void;
  /** Numbers in use: by an attempt (running, or ended and not yet removed) or by a spare. */
  readonly #used = new Set<number>();
  #spare: Slot[] = [];
  #refilling: Promise<void> | undefined;

  constructor(paths: AgentPaths, clock: AgentClock, log: (line: string) => void) {
    this.#paths = paths;
    this.#clock = clock;
    this.#log = log;
  }

  /** Keeps a number for an attempt that an earlier agent process left behind. */
  reserve(number: number): void {
    this.#used.add(number);
  }

  /** A prepared slot. Error: `exhausted` when all are in use. */
  async take(): Promise<Slot> {
    this.#clock.after(refillAfterMs, () => void this.refill());
    for (let slot = this.#spare.shift(); slot !== undefined; slot = this.#spare.shift()) {
      if (slot.launcher.process.exitCode === null && slot.launcher.process.signalCode === null) return slot;
      this.release(slot.number);
    }
    return prepareSlot(this.#newNumber(), this.#paths);
  }

  /** Gives a number back. What the attempt left in its folder is removed when the slot is next prepared. */
  release(number: number): void {
    this.#used.delete(number);
    void this.refill();
  }

  /** Prepares spares until there are enough. Failures are logged; the next job then meets them. */
  refill(): Promise<void> {
    this.#refilling ??= this.#prepareSpares().finally(() => {
      this.#refilling = undefined;
    });
    return this.#refilling;
  }

  async #prepareSpares(): Promise<void> {
    while (this.#spare.length < wantedSpare && this.#used.size < maxSlots) {
      const number = this.#newNumber();
      try {
        this.#spare.push(await prepareSlot(number, this.#paths));
      } catch (error) {
        this.#used.delete(number);
        this.#log(`slot ${number}: ${error instanceof Error ? error.message : String(error)}`);
        return;
      }
    }
  }

  #newNumber(): number {
    for (let number = 0; number < maxSlots; number += 1) {
      if (this.#used.has(number)) continue;
      this.#used.add(number);
      return number;
    }
    throw new TidepoolError('exhausted', `this VM holds ${maxSlots} attempts; remove some that ended`);
  }
}
