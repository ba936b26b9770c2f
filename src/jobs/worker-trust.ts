import { toTidepoolError } from '../domain/errors.ts';
import type { EventName } from '../domain/event.ts';
import { type Vm, type VmState, vmStatesThatCan } from '../domain/vm.ts';
import { joinedPool } from '../domain/worker.ts';
import type { JobContext } from './context.ts';

/** A worker that could not run this many attempts in a row is replaced. */
const mostStrikes = 3;

type Context = Pick<JobContext, 'store' | 'clock' | 'changes' | 'log'>;

/**
 * Counts what workers could not run, so that a sick one does not eat the queue: it answers quickly, so it always has room.
 * Three strikes in a row drain it, and its pool replaces it; a success begins anew. By key id: names come again.
 */
export class WorkerTrust {
  readonly #context: Context;
  readonly #strikes = new Map<string, number>();
  /** Workers with an alert, each with its name and pool. */
  readonly #alerts = new Map<string, Pick<Vm, 'name' | 'pool'>>();

  constructor(context: Context) {
    this.#context = context;
  }

  succeeded(keyId: string): void {
    this.#strikes.delete(keyId);
  }

  /** A worker could not run an attempt. Never rejects. */
  async strike(name: string | null, message: string): Promise<void> {
    await this.#with(name, async (vm) => {
      const strikes = (this.#strikes.get(vm.keyId) ?? 0) + 1;
      this.#strikes.set(vm.keyId, strikes);
      if (strikes < mostStrikes) return;
      const text = `it could not run ${strikes} attempts in a row and takes no more: ${message}`;
      if (await this.#drain(vm, text)) await this.#alarm(vm, text, { strikes, error: message });
    });
  }

  /** Drains a VM, so that its pool makes another: a job waits that it could not run, and no other worker can. Never rejects. */
  async replace(name: string, jobId: string): Promise<void> {
    await this.#with(name, async (vm) => {
      if (vm.pool !== joinedPool) await this.#drain(vm, `it could not run ${jobId}, which waits for another worker`);
    });
  }

  /** Has the machine of a worker destroyed that does not end what it is asked to end. Never rejects. */
  async destroy(name: string | null, message: string): Promise<void> {
    await this.#with(name, async (vm) => {
      const text = `its agent does not end an attempt: ${message}`;
      // Nobody but its owner can end a machine that joined by hand.
      if (vm.pool === joinedPool) {
        if (await this.#drain(vm, text)) await this.#alarm(vm, text, { error: message });
        return;
      }
      if (!(await this.#move(vm, vmStatesThatCan('fail'), 'failed', text))) return;
      await this.#tell('vm.failed', vm, `failed: ${text}`, { reason: text });
      await this.#alarm(vm, text, { error: message });
    });
  }

  /** Forgets workers that are gone, and clears their alerts. */
  async look(): Promise<void> {
    if (this.#strikes.size === 0 && this.#alerts.size === 0) return;
    const here = new Set((await this.#context.store.vms.list()).map(({ keyId }) => keyId));
    for (const keyId of this.#strikes.keys()) if (!here.has(keyId)) this.#strikes.delete(keyId);
    for (const [keyId, vm] of this.#alerts) {
      if (here.has(keyId)) continue;
      this.#alerts.delete(keyId);
      await this.#tell('alert.cleared', vm, 'it is gone', {});
    }
  }

  async #with(name: string | null, work: (vm: Vm) => Promise<void>): Promise<void> {
    try {
      const vm = name === null ? undefined : await this.#context.store.vms.get(name);
      if (vm !== undefined) await work(vm);
    } catch (error) {
      this.#context.log(`worker ${name}: ${toTidepoolError(error).message}`);
    }
  }

  async #drain(vm: Vm, reason: string): Promise<boolean> {
    if (!(await this.#move(vm, ['ready'], 'draining', reason))) return false;
    await this.#tell('vm.draining', vm, `draining: ${reason}`, {});
    return true;
  }

  async #move(vm: Vm, from: readonly VmState[], state: VmState, reason: string): Promise<boolean> {
    const { store, clock, changes } = this.#context;
    const facts = { isUnwanted: true };
    const isMoved = await store.vms.move(vm.name, from, { state, reason, nowMs: clock.now(), facts });
    if (isMoved) {
      changes.notify('vms');
      changes.notify('queue');
    }
    return isMoved;
  }

  async #alarm(vm: Vm, text: string, data: Readonly<Record<string, unknown>>): Promise<void> {
    this.#alerts.set(vm.keyId, { name: vm.name, pool: vm.pool });
    await this.#tell('alert.raised', vm, text, data);
  }

  async #tell(
    name: EventName,
    vm: Pick<Vm, 'name' | 'pool'>,
    text: string,
    data: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const { store, clock, changes, log } = this.#context;
    log(`worker ${vm.name}: ${text}`);
    await store.events.append({ atMs: clock.now(), name, pool: vm.pool, vm: vm.name, text, data });
    changes.notify('events');
  }
}
