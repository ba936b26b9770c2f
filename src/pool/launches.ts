import { toTidepoolError } from '../domain/errors.ts';
import type { Vm } from '../domain/vm.ts';
import { Backoff } from '../reconcile/backoff.ts';
import type { Refusal } from './admission.ts';
import { emit, type PoolContext } from './context.ts';
import { type LaunchPast, launchNote, launchPastOf } from './launch-note.ts';
import { nextVmName } from './names.ts';
import { UnhealthyGuard } from './unhealthy.ts';

/** A name that is somebody else's on the host is tried again after this. */
const foreignForMs = 600_000;
const mostForeign = 1_000;
/** Names that were taken one after the other, after which launches pause as after a failure. */
const mostTakenInRow = 8;
const keptBootTimes = 9;
/** Failures in a row after which VMs are launched one at a time, until one comes into service. */
const provenFailures = 2;
/** While times run that the next server is to go on with, they are written down this often. */
const saveEveryMs = 5_000;

/** Whether a pool may launch VMs now, how many at one time, and under which names. */
export class Launches {
  readonly #context: PoolContext;
  readonly #backoff: Backoff;
  readonly #guard = new UnhealthyGuard();
  /** Names of machines on the host that are not ours, with the time at which that was seen. */
  readonly #foreign = new Map<string, number>();
  #takenInRow = 0;
  #isUnhealthy = false;
  #refusal: Refusal | undefined;
  /** Of which lack the present alert tells. */
  #told: Refusal['lacks'] | undefined;
  #bootTimesMs: readonly number[] = [];
  #saved = { signature: '', atMs: Number.NEGATIVE_INFINITY };
  /** When the last try to write the note failed; tries are as rare as writes. */
  #saveFailedAtMs: number | undefined;

  constructor(context: PoolContext) {
    this.#context = context;
    this.#backoff = new Backoff(`launches of ${context.pool.name}`);
  }

  /** Goes on where an earlier server ended. */
  async load(): Promise<void> {
    const { store, pool, clock } = this.#context;
    const past = launchPastOf(await store.pools.note(pool.name, 'launches'));
    if (past === undefined) return;
    const uptimeMs = clock.uptimeMs();
    this.#backoff.restore(past.failures, past.waitMs, uptimeMs);
    this.#guard.restore(past, uptimeMs);
    this.#isUnhealthy = past.isUnhealthy;
    this.#told = past.lacks ?? undefined;
    this.#bootTimesMs = past.bootTimesMs.slice(-keptBootTimes);
  }

  /** Writes down what the next server is to know, when there is news, or while times run. To be called at each step. */
  async save(): Promise<void> {
    const { store, pool, clock, log } = this.#context;
    const uptimeMs = clock.uptimeMs();
    const past = this.#past(uptimeMs);
    // Ages and waits run by themselves.
    const signature = JSON.stringify({ ...past, waitMs: 0, failedAgesMs: past.failedAgesMs.length });
    const isRunning = past.waitMs > 0 || past.failedAgesMs.length > 0;
    const isDue = isRunning && uptimeMs - this.#saved.atMs >= saveEveryMs;
    if (signature === this.#saved.signature && !isDue) return;
    if (this.#saveFailedAtMs !== undefined && uptimeMs - this.#saveFailedAtMs < saveEveryMs) return;
    try {
      await store.pools.putNote(pool.name, 'launches', launchNote(past, clock.now()));
      this.#saved = { signature, atMs: uptimeMs };
      this.#saveFailedAtMs = undefined;
    } catch (error) {
      log(`pool ${pool.name}: its launches cannot be noted: ${toTidepoolError(error).message}`);
      this.#saveFailedAtMs = uptimeMs;
    }
  }

  /** Median time from the launch of a VM to its entering service, of the last ones; null before the first. */
  get bootMs(): number | null {
    const sorted = this.#bootTimesMs.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }

  #past(uptimeMs: number): LaunchPast {
    return {
      failures: this.#backoff.failures,
      waitMs: this.#backoff.waitMs(uptimeMs),
      ...this.#guard.past(uptimeMs),
      isUnhealthy: this.#isUnhealthy,
      lacks: this.#told ?? null,
      bootTimesMs: this.#bootTimesMs,
    };
  }

  /** Why a VM that is wanted is not launched; null when nothing keeps it from being. */
  get waitsFor(): string | null {
    return this.#refusal?.text ?? null;
  }

  /** Maximum number of VMs that may be on their way up at one time, 0 included. Alerts when many have failed at once. */
  async most(vms: readonly Vm[], desired: number): Promise<number> {
    const uptimeMs = this.#context.clock.uptimeMs();
    this.#context.admission?.look();
    // One that never answered says that the next may not either.
    if (this.#guard.see(vms, uptimeMs).some((vm) => vm.capacity === null)) this.failed();
    const ready = vms.filter((vm) => vm.state === 'ready').length;
    const { mostLaunches, failures, allowed } = this.#guard.assess(desired, ready, uptimeMs);
    const isUnhealthy = mostLaunches === 1;
    if (isUnhealthy !== this.#isUnhealthy) {
      this.#isUnhealthy = isUnhealthy;
      const text = isUnhealthy
        ? `unhealthy: ${failures} VMs failed within a minute, ${allowed} may; VMs are launched one at a time`
        : 'healthy again; VMs are launched as before';
      await emit(this.#context, isUnhealthy ? 'alert.raised' : 'alert.cleared', null, text, { failures, allowed });
    }
    if (!this.#backoff.mayTry(uptimeMs)) return 0;
    // Whether launches work again is found out with one of them.
    return this.#backoff.failures >= provenFailures ? Math.min(1, mostLaunches) : mostLaunches;
  }

  /** A launch failed. Several that fail together count once. */
  failed(): void {
    const uptimeMs = this.#context.clock.uptimeMs();
    if (this.#backoff.mayTry(uptimeMs)) this.#backoff.failed(uptimeMs);
  }

  /** A VM came up. @param bootMs how long it took; undefined when nobody knows */
  succeeded(bootMs: number | undefined): void {
    this.#backoff.succeeded();
    this.#takenInRow = 0;
    if (bootMs !== undefined) this.#bootTimesMs = [...this.#bootTimesMs, bootMs].slice(-keptBootTimes);
  }

  /** The name belongs to somebody else on the host. */
  isForeign(name: string): void {
    this.#foreign.delete(name);
    this.#foreign.set(name, this.#context.clock.uptimeMs());
    for (const oldest of this.#foreign.keys()) {
      if (this.#foreign.size <= mostForeign) break;
      this.#foreign.delete(oldest);
    }
    this.#takenInRow += 1;
    if (this.#takenInRow % mostTakenInRow === 0) this.failed();
  }

  /** The name of the next VM. @param taken names that must not be given, beside those of others on the host */
  nextName(taken: Iterable<string>): string {
    const uptimeMs = this.#context.clock.uptimeMs();
    for (const [name, seenAtMs] of this.#foreign) {
      if (uptimeMs - seenAtMs >= foreignForMs) this.#foreign.delete(name);
    }
    return nextVmName(this.#context.pool.prefix, new Set([...taken, ...this.#foreign.keys()]));
  }

  /** Takes room on the host for a VM of this name; false while there is none. To be given back when the launch has ended. */
  admit(name: string): boolean {
    this.#refusal = this.#context.admission?.take(name, this.#context.pool.flavor);
    return this.#refusal === undefined;
  }

  /** The launch of this VM has ended, well or not. */
  ended(name: string): void {
    this.#context.admission?.release(name);
  }

  /** Raises an alert while launches wait for the host, and clears it. @param isWanted whether a launch is wanted now */
  async tell(isWanted: boolean): Promise<void> {
    if (!isWanted) this.#refusal = undefined;
    const lacks = this.#refusal?.lacks;
    // A host that does not answer has alerts of its own.
    const isNews = lacks !== 'answer' && lacks !== this.#told;
    if (!isNews) return;
    const wasTold = this.#told !== undefined;
    this.#told = lacks;
    if (wasTold) await emit(this.#context, 'alert.cleared', null, 'launches do not wait for this any more');
    if (lacks !== undefined)
      await emit(this.#context, 'alert.raised', null, `launches wait: ${this.waitsFor}`, { lacks });
  }
}
