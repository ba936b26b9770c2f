import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Vm } from '../domain/vm.ts';
import { afterListening } from '../reconcile/lateness.ts';

/** From the first answer of its agent to a service that is up or known to be broken. */
const limitMs = 120_000;

interface Preparation {
  readonly vm: Vm;
  readonly done: PromiseWithResolvers<void>;
  /** Begins its time limit, again if it has begun. */
  startLimit(): void;
}

/** VMs that their pool wants prepared, from its asking until they have changed their state. */
export class Preparations {
  readonly #clock: Clock;
  readonly #all = new Map<string, Preparation>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the VM is prepared. Errors: `timeout`, `unavailable` when the VM was given up, `aborted`. */
  async begin(vm: Vm, signal: AbortSignal): Promise<void> {
    const done = Promise.withResolvers<void>();
    const message = `its service did not start within ${limitMs / 1_000} s`;
    const onLimit = (): void => done.reject(new TidepoolError('timeout', message));
    let cancel = (): void => undefined;
    const startLimit = (): void => {
      cancel();
      cancel = afterListening(this.#clock, limitMs, onLimit);
    };
    const preparation: Preparation = { vm, done, startLimit };
    this.#all.set(vm.name, preparation);
    startLimit();
    const onAbort = (): void => done.reject(new TidepoolError('aborted', 'its preparation was given up'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    try {
      await done.promise;
    } catch (error) {
      if (this.#all.get(vm.name) === preparation) this.#all.delete(vm.name);
      throw error;
    } finally {
      cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Whether the VM is to be prepared, or was and has not changed its state since. */
  has(vm: Vm): boolean {
    return this.runtimes(vm) !== undefined;
  }

  /** What the agent of such a VM has; the row of a booting VM does not say so yet. */
  runtimes(vm: Vm): readonly string[] | undefined {
    const preparation = this.#all.get(vm.name);
    return preparation !== undefined && isSame(preparation.vm, vm) ? preparation.vm.runtimes : undefined;
  }

  /** Gives a VM its whole time again, because it waits for something of ours. */
  extend({ name }: Vm): void {
    this.#all.get(name)?.startLimit();
  }

  finish(vm: string): void {
    this.#all.get(vm)?.done.resolve();
  }

  /** Forgets those that are another thing by now. */
  sweep(vms: readonly Vm[]): void {
    for (const [name, { vm, done }] of this.#all) {
      const now = vms.find((one) => one.name === name);
      if (now !== undefined && isSame(vm, now)) continue;
      this.#all.delete(name);
      done.reject(new TidepoolError('unavailable', `VM ${name} was given up`));
    }
  }
}

function isSame(a: Vm, b: Vm): boolean {
  return a.createdAtMs === b.createdAtMs && a.state === b.state && a.stateSinceMs === b.stateSinceMs;
}
