import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import { agentSlots } from '../protocol/agent.ts';
import type { AgentClock } from './clock.ts';
import type { AgentPaths } from './paths.ts';
import { removeContents } from './remove-tree.ts';
import { prepareSlot, resetSlot, type Slot, slotFolder } from './slot.ts';

/** Slots that wait prepared for a job. */
const wantedSpare = 2;
/** So many that jobs have left wait for others; where there were as many at a time there will be again. */
const maxSpare = 8;
/** A new spare is made this long after one was taken or given back, so that it takes no CPU from a job's start. */
const refillAfterMs = 1_500;

/** All slots of the guest, and which of them are free. */
export class Slots {
  readonly #paths: AgentPaths;
  readonly #clock: AgentClock;
  readonly #log: (line: string) => void;
  /** Numbers in use: by an attempt (running, or ended and not yet removed) or by a spare. */
  readonly #used = new Set<number>();
  /** Those of an attempt. An attempt of an earlier agent process has none, only a number. */
  readonly #taken = new Map<number, Slot>();
  #spare: Slot[] = [];
  #refilling: Promise<void> | undefined;
  #isStopped = false;

  constructor(paths: AgentPaths, clock: AgentClock, log: (line: string) => void) {
    this.#paths = paths;
    this.#clock = clock;
    this.#log = log;
  }

  /** Attempts that there are places for. */
  get count(): number {
    return agentSlots;
  }

  /** Keeps a number for an attempt that an earlier agent process left behind. */
  reserve(number: number): void {
    this.#used.add(number);
  }

  /** A prepared slot. Error: `exhausted` when all are in use. */
  async take(): Promise<Slot> {
    const slot = this.#takeSpare() ?? (await this.#prepareNew());
    this.#taken.set(slot.number, slot);
    if (this.#spare.length < wantedSpare) this.#refillLater();
    return slot;
  }

  /** Takes one back once what the attempt left in it is removed, which may take a while. */
  async release(number: number): Promise<void> {
    const slot = this.#taken.get(number);
    this.#taken.delete(number);
    try {
      if (slot?.launcher.isAlive === true && this.#spare.length < maxSpare) {
        await resetSlot(slot);
        this.#spare.push(slot);
        return;
      }
      await removeContents(slotFolder(this.#paths, number));
    } catch (error) {
      this.#log(`slot ${number}: its folder cannot be emptied: ${String(error)}`);
    }
    slot?.launcher.end();
    this.#used.delete(number);
    if (this.#spare.length < wantedSpare) this.#refillLater();
  }

  /** Empties the folders that an earlier agent process left and no attempt needs. */
  async sweep(): Promise<void> {
    for (const name of await readdir(join(this.#paths.state, 'slots')).catch(() => [])) {
      const number = Number(name);
      if (this.#used.has(number)) continue;
      this.#used.add(number);
      await this.release(number);
    }
  }

  /** Prepares spares until there are so many. Failures are logged; the next job then meets them. */
  refill(wanted = wantedSpare): Promise<void> {
    this.#refilling ??= this.#prepareSpares(wanted).finally(() => {
      this.#refilling = undefined;
    });
    return this.#refilling;
  }

  /** Prepares no more. Spares are left to whoever ends all that runs. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#refilling;
  }

  #refillLater(): void {
    this.#clock.after(refillAfterMs, () => void this.refill());
  }

  async #prepareSpares(wanted: number): Promise<void> {
    while (!this.#isStopped && this.#spare.length < wanted && this.#used.size < agentSlots) {
      try {
        this.#spare.push(await this.#prepareNew());
      } catch (error) {
        this.#log(`a slot: ${error instanceof Error ? error.message : String(error)}`);
        return;
      }
    }
  }

  #takeSpare(): Slot | undefined {
    for (let slot = this.#spare.shift(); slot !== undefined; slot = this.#spare.shift()) {
      if (slot.launcher.isAlive) return slot;
      void this.release(slot.number);
    }
    return undefined;
  }

  async #prepareNew(): Promise<Slot> {
    const number = this.#newNumber();
    try {
      return await prepareSlot(number, this.#paths, this.#clock);
    } catch (error) {
      this.#used.delete(number);
      throw error;
    }
  }

  #newNumber(): number {
    for (let number = 0; number < agentSlots; number += 1) {
      if (this.#used.has(number)) continue;
      this.#used.add(number);
      return number;
    }
    throw new TidepoolError('exhausted', `this VM holds ${agentSlots} attempts; remove some that ended`);
  }
}
