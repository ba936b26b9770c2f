import type { Clock } from '../domain/clock.ts';
import { type ReserveRule, reserveOf } from '../domain/disk.ts';
import { toTidepoolError } from '../domain/errors.ts';
import type { Flavor } from '../domain/flavor.ts';
import type { HostRoom, Hypervisor } from '../domain/hypervisor.ts';
import { Backoff } from '../reconcile/backoff.ts';
import { giveUpAfter } from '../reconcile/deadline.ts';

const MiB = 1024 ** 2;
/** QEMU's own memory beside its guest's. */
const overheadBytes = 200 * MiB;
/** An answer of the host older than this is asked for again, at a launch and without one. */
const askAgainMs = 1_000;
const lookAgainMs = 10_000;
/**
 * One older than this is not relied on. Until then launches count what they take themselves: the host may not answer just
 * when a VM has failed and another must take its place.
 */
const staleMs = 120_000;
const answerLimitMs = 30_000;

/** What of the host is left to others, in bytes. */
export interface Reserve {
  readonly memoryBytes: number;
  /** Of the file system where VMs have their disks. */
  readonly disk: ReserveRule;
}

/** Everything that a launch may have to wait for. `answer`: the host has not said what it has. */
export const launchNeeds = ['memory', 'disk', 'network', 'image', 'answer'] as const;

/** Why a launch has to wait. */
export interface Refusal {
  readonly lacks: (typeof launchNeeds)[number];
  /** For a person, with the numbers. */
  readonly text: string;
}

interface Taken {
  readonly memoryBytes: number;
  /** The machine is there (or never will be) since this question to the host; undefined while it is being launched. */
  doneAtAsk: number | undefined;
}

export interface AdmissionOptions {
  readonly hypervisor: Pick<Hypervisor, 'hostRoom'>;
  readonly clock: Clock;
  readonly reserve: Reserve;
  /** Returns what every VM needs and is not there now, such as its network; asked whenever the host is. */
  obstacle?(): Promise<Refusal | undefined>;
  /** Called when the host has said what it has. */
  onAnswer(): void;
}

/**
 * Admits launches of all pools of a host as far as its memory and disk allow it. QEMU takes memory only when the guest
 * touches it, so what was promised counts as taken (HostRoom), and what is being launched too. A thing that every VM lacks, such as
 * the network, refuses all of them: no launch fails by it. Never waits for the host:
 * without a fresh answer a launch is refused and the host is asked.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #taken = new Map<string, Taken>();
  #room: { readonly host: HostRoom; readonly obstacle: Refusal | undefined; readonly atMs: number } | undefined;
  #problem = '';
  readonly #backoff = new Backoff('asking the host for its room');
  #asks = 0;
  #isAsking = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Asks the host now and then, so that an answer is there when a launch needs one. Does not wait for it. */
  look(): void {
    if (this.#ageMs >= lookAgainMs) void this.#ask();
  }

  /** Takes room for a VM until `release`; returns why not when there is none. @param name of the VM */
  take(name: string, flavor: Flavor): Refusal | undefined {
    const { reserve } = this.#options;
    const ageMs = this.#ageMs;
    if (ageMs >= askAgainMs) void this.#ask();
    if (this.#room === undefined || ageMs >= staleMs) {
      const why = this.#problem === '' ? 'it has not answered yet' : this.#problem;
      return { lacks: 'answer', text: `the room of the host is not known: ${why}` };
    }
    const memoryBytes = flavor.memoryMiB * MiB + overheadBytes;
    const refusal = this.#room.obstacle ?? this.#refusal(this.#room.host, memoryBytes, flavor, reserve);
    if (refusal === undefined) this.#taken.set(name, { memoryBytes, doneAtAsk: undefined });
    return refusal;
  }

  /** The launch has ended: from now on the host counts the machine, if there is one. */
  release(name: string): void {
    const taken = this.#taken.get(name);
    if (taken !== undefined) taken.doneAtAsk ??= this.#asks;
  }

  get #ageMs(): number {
    return this.#room === undefined ? Number.POSITIVE_INFINITY : this.#options.clock.uptimeMs() - this.#room.atMs;
  }

  #refusal(host: HostRoom, memoryBytes: number, flavor: Flavor, reserve: Reserve): Refusal | undefined {
    const takenBytes = [...this.#taken.values()].reduce((sum, one) => sum + one.memoryBytes, 0);
    const freeBytes = Math.max(0, host.memoryFreeBytes - takenBytes);
    if (freeBytes - memoryBytes < reserve.memoryBytes) {
      const text = `host memory: ${inMiB(freeBytes)} are free and ${inMiB(reserve.memoryBytes)} are kept in reserve; a VM of ${flavor.name} takes ${inMiB(memoryBytes)}`;
      return { lacks: 'memory', text };
    }
    if (host.disk === null) return undefined;
    const keptBytes = reserveOf(reserve.disk, host.disk.sizeBytes);
    if (host.disk.freeBytes >= keptBytes) return undefined;
    const text = `host disk: ${inMiB(host.disk.freeBytes)} are free where VMs have their disks, and ${inMiB(keptBytes)} are kept in reserve`;
    return { lacks: 'disk', text };
  }

  async #ask(): Promise<void> {
    const { hypervisor, clock, onAnswer } = this.#options;
    if (this.#isAsking || !this.#backoff.mayTry(clock.uptimeMs())) return;
    this.#isAsking = true;
    this.#asks += 1;
    try {
      const asked = Promise.all([hypervisor.hostRoom(), this.#options.obstacle?.()]);
      const [host, obstacle] = await giveUpAfter(clock, answerLimitMs, 'asking the host for its room', asked);
      this.#room = { host, obstacle, atMs: clock.uptimeMs() };
      this.#backoff.succeeded();
      for (const [name, { doneAtAsk }] of this.#taken) {
        if (doneAtAsk !== undefined && doneAtAsk < this.#asks) this.#taken.delete(name);
      }
    } catch (error) {
      this.#problem = toTidepoolError(error).message;
      this.#backoff.failed(clock.uptimeMs());
      return;
    } finally {
      this.#isAsking = false;
    }
    onAnswer();
  }
}

function inMiB(bytes: number): string {
  return `${Math.floor(bytes / MiB)} MiB`;
}
