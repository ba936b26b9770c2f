import { toTidepoolError } from '../domain/errors.ts';
import type { EventName } from '../domain/event.ts';
import type { WorkerStrikes } from '../domain/store.ts';
import { type Vm, type VmState, vmStatesThatCan } from '../domain/vm.ts';
import { joinedPool } from '../domain/worker.ts';
import { writeEvent } from '../reconcile/write-event.ts';
import type { JobContext } from './context.ts';

/** A worker that could not run this many attempts in a row is replaced. */
const mostStrikes = 3;

type Context = Pick<JobContext, 'store' | 'clock' | 'changes' | 'log'>;

/**
 * Counts what workers could not run, so that a sick one does not eat the queue: it answers quickly, so it always has room.
 * Three strikes in a row drain it, and its pool replaces it; a success begins anew. By key id: names come again. The counts are
 * in the store, so that a server that is started again does not give a sick worker three jobs more.
 */
export class WorkerTrust {
  readonly #context: Context;
  /** What is in the store, and what is to be; undefined before the store was read. */
  #known: Map<string, WorkerStrikes> | undefined;
  #loading: Promise<Map<string, WorkerStrikes>> | undefined;
  /** Those whose last change could not be written. */
  readonly #unwritten = new Set<string>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** A worker ran an attempt. Never rejects. */
  async succeeded(keyId: string): Promise<void> {
    try {
      const known = (await this.#load()).get(keyId);
      if (known !== undefined && known.strikes > 0) await this.#put({ ...known, strikes: 0 });
    } catch (error) {
      this.#context.log(`a worker: ${toTidepoolError(error).message}`);
    }
  }

  /** A worker could not run an attempt. Never rejects. */
  async strike(name: string | null, message: string): Promise<void> {
    await this.#with(name, async (vm) => {
      const strikes = ((await this.#load()).get(vm.keyId)?.strikes ?? 0) + 1;
      await this.#change(vm, { strikes });
      if (strikes < mostStrikes) return;
      const text = `it could not run ${strikes} attempts in a row and takes no more: ${message}`;
      if (await this.#drain(vm, text)) await this.#alarm(vm, text, { strikes, error: message });
    });
  }

  /** Drains a VM, so that its pool makes another: a job waits that it could not run, and no other worker can. Never rejects. */
  async replace(name: string, jobId: string): Promise<void> {
    await this.#with(name, async (vm) => {
      await this.#drain(vm, `it could not run ${jobId}, which waits for another worker`);
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
    const all = await this.#load();
    for (const keyId of this.#unwritten) {
      const known = all.get(keyId);
      if (known === undefined) await this.#context.store.trust.delete(keyId);
      else await this.#context.store.trust.put(known);
      this.#unwritten.delete(keyId);
    }
    if (all.size === 0) return;
    const here = new Set((await this.#context.store.vms.list()).map(({ keyId }) => keyId));
    for (const known of [...all.values()]) if (!here.has(known.keyId)) await this.#forget(known);
  }

  /** The alert is cleared first: a server that ends in between clears it once more. */
  async #forget({ keyId, vm, pool, isAlarmed }: WorkerStrikes): Promise<void> {
    const { store, clock, changes, log } = this.#context;
    if (isAlarmed) {
      const text = 'it is gone';
      log(`worker ${vm}: ${text}`);
      await store.events.append({ atMs: clock.now(), name: 'alert.cleared', pool, vm, text, data: {} });
      changes.notify('events');
    }
    await store.trust.delete(keyId);
    (await this.#load()).delete(keyId);
  }

  async #load(): Promise<Map<string, WorkerStrikes>> {
    if (this.#known !== undefined) return this.#known;
    this.#loading ??= this.#context.store.trust
      .all()
      .then((all) => new Map(all.map((one) => [one.keyId, one])))
      .finally(() => {
        this.#loading = undefined;
      });
    const known = await this.#loading;
    this.#known ??= known;
    return this.#known;
  }

  #change({ keyId, name, pool }: Vm, fields: Partial<WorkerStrikes>): Promise<void> {
    const before = this.#known?.get(keyId) ?? { keyId, vm: name, pool, strikes: 0, isAlarmed: false };
    return this.#put({ ...before, ...fields });
  }

  /** What cannot be written counts all the same, and is written later. */
  async #put(one: WorkerStrikes): Promise<void> {
    const { store, log } = this.#context;
    const isNothing = one.strikes === 0 && !one.isAlarmed;
    if (isNothing) this.#known?.delete(one.keyId);
    else this.#known?.set(one.keyId, one);
    try {
      await (isNothing ? store.trust.delete(one.keyId) : store.trust.put(one));
      this.#unwritten.delete(one.keyId);
    } catch (error) {
      this.#unwritten.add(one.keyId);
      log(`worker ${one.vm}: its strikes cannot be written down: ${toTidepoolError(error).message}`);
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
    await this.#load();
    await this.#change(vm, { isAlarmed: true });
    await this.#tell('alert.raised', vm, text, data);
  }

  async #tell(
    name: EventName,
    { name: vm, pool }: Pick<Vm, 'name' | 'pool'>,
    text: string,
    data: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    this.#context.log(`worker ${vm}: ${text}`);
    await writeEvent(this.#context, { name, pool, vm, text, data });
  }
}
