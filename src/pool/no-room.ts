import { agentAddress } from '../domain/agent-link.ts';
import { toTidepoolError } from '../domain/errors.ts';
import type { Vm } from '../domain/vm.ts';
import { Backoff } from '../reconcile/backoff.ts';
import { withDeadline } from '../reconcile/deadline.ts';
import { emit, type PoolContext } from './context.ts';

/** With less room than this a guest would stand again at once. */
const leastFreeBytes = 256 * 1024 ** 2;
/** A guest that has gone on for this long has the room that it needed. */
const provenMs = 10_000;
const clockLimitMs = 10_000;

interface Stand {
  readonly createdAtMs: number;
  readonly keyId: string;
  /** Its row says so, so that it gets no work. */
  isNoted: boolean;
  readonly backoff: Backoff;
  /** Since when it goes on, by the steady clock; undefined while it stands. */
  runsSinceMs: number | undefined;
}

/**
 * VMs whose guest stands because the disk of the host is full: QEMU paused it before a write was lost, so making room and
 * resuming costs nothing, and giving it up would cost its work. An alert says so; the guest is resumed when there is room.
 */
export class NoRoom {
  readonly #context: PoolContext;
  readonly #stands = new Map<string, Stand>();

  constructor(context: PoolContext) {
    this.#context = context;
  }

  /** Names of those that stand. */
  get standing(): string[] {
    return [...this.#stands].flatMap(([name, { runsSinceMs }]) => (runsSinceMs === undefined ? [name] : []));
  }

  /** Whether the guest stands at present, as far as is known. */
  has(name: string): boolean {
    return this.#stands.get(name)?.runsSinceMs === undefined && this.#stands.has(name);
  }

  /** Whether the guest stands, or goes on since a moment ago: the silence of its agent may be from before. */
  stoodLately(name: string): boolean {
    return this.#stands.has(name);
  }

  /** The machine of this VM was seen standing for lack of room. */
  async stands(vm: Pick<Vm, 'name' | 'createdAtMs' | 'keyId'>): Promise<void> {
    const { name, createdAtMs } = vm;
    const known = this.#stands.get(name);
    if (known?.createdAtMs === createdAtMs) {
      known.runsSinceMs = undefined;
      return this.#note(name, known);
    }
    const stand = newStand(vm, false);
    this.#stands.set(name, stand);
    const text = 'its guest stands, since the disk of the host is full; it goes on by itself when there is room again';
    await emit(this.#context, 'alert.raised', name, text);
    await this.#note(name, stand);
  }

  /** Takes over what an earlier server noted. */
  restore(vms: readonly Pick<Vm, 'name' | 'createdAtMs' | 'keyId' | 'isStanding'>[]): void {
    for (const vm of vms) if (vm.isStanding) this.#stands.set(vm.name, newStand(vm, true));
  }

  async #note(name: string, stand: Stand): Promise<void> {
    if (stand.isNoted) return;
    await this.#context.store.vms.learn(name, stand.keyId, { isStanding: true });
    stand.isNoted = true;
    this.#context.changes.notify('vms');
  }

  /** The machine of this VM was seen otherwise. @param isRunning false: it is gone or off, and goes the way of such VMs */
  async isPast({ name }: Pick<Vm, 'name'>, isRunning: boolean): Promise<void> {
    const known = this.#stands.get(name);
    if (known === undefined) return;
    const uptimeMs = this.#context.clock.uptimeMs();
    known.runsSinceMs ??= uptimeMs;
    if (isRunning && uptimeMs - known.runsSinceMs < provenMs) return;
    await this.#context.store.vms.learn(name, known.keyId, { isStanding: false });
    await this.#forget(name, isRunning ? 'its guest goes on' : 'its machine has ended');
    this.#context.changes.notify('vms');
    this.#context.changes.notify('queue');
  }

  /** Forgets VMs that are not there any more, and what their rows say. */
  async keepOnly(vms: readonly Pick<Vm, 'name' | 'createdAtMs'>[]): Promise<void> {
    for (const [name, { createdAtMs, keyId }] of this.#stands) {
      const isHere = vms.some((vm) => vm.name === name && vm.createdAtMs === createdAtMs);
      if (isHere) continue;
      await this.#context.store.vms.learn(name, keyId, { isStanding: false });
      await this.#forget(name, 'it does not stand any more');
    }
  }

  async #forget(name: string, why: string): Promise<void> {
    if (this.#stands.delete(name)) await emit(this.#context, 'alert.cleared', name, why);
  }

  mayTry(name: string): boolean {
    return this.#stands.get(name)?.backoff.mayTry(this.#context.clock.uptimeMs()) ?? false;
  }

  /** One try to let a guest go on; whether it does is seen by the next look at its machine. */
  async resume(vm: Vm, signal: AbortSignal): Promise<void> {
    const { hypervisor, clock, link, log } = this.#context;
    this.#stands.get(vm.name)?.backoff.failed(clock.uptimeMs());
    try {
      const { disk } = await hypervisor.hostRoom();
      if (disk !== null && disk.freeBytes < leastFreeBytes) return;
      await hypervisor.resume(vm.name);
      const agent = agentAddress(vm);
      // Its clock stood as well.
      if (agent !== undefined)
        await withDeadline(clock, clockLimitMs, signal, (limited) => link.setClock(agent, clock, limited));
    } catch (error) {
      if (!signal.aborted)
        log(`vm ${vm.name}: its guest stands and was not resumed: ${toTidepoolError(error).message}`);
    }
  }
}

function newStand({ name, createdAtMs, keyId }: Pick<Vm, 'name' | 'createdAtMs' | 'keyId'>, isNoted: boolean): Stand {
  return { createdAtMs, keyId, isNoted, backoff: new Backoff(`resuming ${name}`), runsSinceMs: undefined };
}
