import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, TidepoolError } from '../domain/errors.ts';
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

/** Beyond those that are told: for attempts that ended, until the control plane says that they may go. */
const extraSlots = 64;
/** Number of slots in all. */
export const slotNumbers = agentSlots + extraSlots;
/** Between tries to empty the slots that could not be emptied. */
const mendEveryMs = 60_000;
/** Numbers that are tried for one attempt: the trouble may be of one slot alone. */
const maxTries = 3;

/** How slots are made and emptied: slot.ts, but for tests. */
export interface SlotMaker {
  prepare(number: number): Promise<Slot>;
  reset(slot: Slot): Promise<void>;
  empty(number: number): Promise<void>;
}

function slotMaker(paths: AgentPaths, clock: AgentClock): SlotMaker {
  return {
    prepare: (number) => prepareSlot(number, paths, clock),
    reset: resetSlot,
    empty: (number) => removeContents(slotFolder(paths, number)),
  };
}

/** All slots of the guest, and which of them are free. */
export class Slots {
  readonly #paths: AgentPaths;
  readonly #clock: AgentClock;
  readonly #log: (line: string) => void;
  readonly #maker: SlotMaker;
  /** Numbers in use: by an attempt (running, or ended and not yet removed) or by a spare. */
  readonly #used = new Set<number>();
  /** Those of an attempt. An attempt of an earlier agent process has none, only a number. */
  readonly #taken = new Map<number, Slot>();
  /** Numbers that are set aside: their folders could not be emptied. */
  readonly #broken = new Set<number>();
  /** The number that is looked at first for the next slot. */
  #nextNumber = 0;
  #spare: Slot[] = [];
  #refilling: Promise<void> | undefined;
  #isStopped = false;

  constructor(paths: AgentPaths, clock: AgentClock, log: (line: string) => void, maker = slotMaker(paths, clock)) {
    this.#paths = paths;
    this.#clock = clock;
    this.#log = log;
    this.#maker = maker;
  }

  /** Attempts that there are places for: all but those that are set aside. It has some more than it tells. */
  get count(): number {
    return agentSlots - this.#broken.size;
  }

  /** Keeps a number for an attempt that an earlier agent process left behind. */
  reserve(number: number): void {
    this.#used.add(number);
  }

  /** A prepared slot. Errors: `exhausted` (all are in use), `internal` (none can be prepared). */
  async take(): Promise<Slot> {
    const slot = this.#takeSpare() ?? (await this.#prepareOne());
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
        await this.#maker.reset(slot);
        this.#spare.push(slot);
        return;
      }
      await this.#maker.empty(number);
      this.#used.delete(number);
    } catch (error) {
      this.#setAside(number, error);
    }
    slot?.launcher.end();
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

  /** Prepares spares until there are `wanted` of them. Failures are logged, and the next job meets them. */
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

  /** Its number stays in use, so that no attempt gets it until it has been emptied. */
  #setAside(number: number, error: unknown): void {
    this.#log(`slot ${number} is set aside: its folder cannot be emptied: ${String(error)}`);
    if (this.#broken.size === 0) this.#mendLater();
    this.#broken.add(number);
  }

  #mendLater(): void {
    this.#clock.after(mendEveryMs, () => {
      void this.#mend().then(() => {
        if (this.#broken.size > 0 && !this.#isStopped) this.#mendLater();
      });
    });
  }

  async #mend(): Promise<void> {
    for (const number of [...this.#broken]) {
      try {
        await this.#maker.empty(number);
        this.#broken.delete(number);
        this.#used.delete(number);
        this.#log(`slot ${number} can be used again`);
      } catch {
        // Told when it was set aside.
      }
    }
  }

  #refillLater(): void {
    this.#clock.after(refillAfterMs, () => void this.refill());
  }

  async #prepareSpares(wanted: number): Promise<void> {
    while (!this.#isStopped && this.#spare.length < wanted && this.#used.size < slotNumbers) {
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

  /** Tries other numbers when one cannot be prepared. */
  async #prepareOne(): Promise<Slot> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#prepareNew();
      } catch (error) {
        if (tries === maxTries || hasCode(error, 'exhausted')) throw error;
        this.#log(`a slot: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  async #prepareNew(): Promise<Slot> {
    const number = this.#newNumber();
    try {
      return await this.#maker.prepare(number);
    } catch (cause) {
      this.#used.delete(number);
      // The next try is at another one.
      this.#nextNumber = (number + 1) % slotNumbers;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new TidepoolError('internal', `slot ${number} cannot be prepared: ${reason}`, { cause });
    }
  }

  #newNumber(): number {
    for (let tried = 0; tried < slotNumbers; tried += 1) {
      const number = (this.#nextNumber + tried) % slotNumbers;
      if (this.#used.has(number)) continue;
      this.#used.add(number);
      return number;
    }
    throw new TidepoolError('exhausted', `this VM holds ${slotNumbers} attempts; remove some that ended`);
  }
}
