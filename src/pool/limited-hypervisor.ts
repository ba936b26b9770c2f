import type { Clock } from '../domain/clock.ts';
import type { HostRoom, Hypervisor, Machine, MachineSpec } from '../domain/hypervisor.ts';
import { vmStates } from '../domain/vm.ts';
import { giveUpAfter } from '../reconcile/deadline.ts';

/** What a pool asks of the hypervisor. */
export type PoolHypervisor = Pick<
  Hypervisor,
  'hostRoom' | 'list' | 'get' | 'create' | 'suspend' | 'resume' | 'remove' | 'onEvent'
>;

/** For what takes milliseconds when all is well; libvirt may first have to kill a machine that hangs. */
const quickMs = 30_000;

/**
 * A hypervisor that answers in time or with `timeout`, whatever the one behind it does. A call that was given up may
 * still have its effect, so until it has ended its machine's name must not be given to another (`isHeld`).
 */
export class LimitedHypervisor implements PoolHypervisor {
  readonly #hypervisor: PoolHypervisor;
  readonly #clock: Clock;
  /** By machine: calls that have not ended. */
  readonly #open = new Map<string, number>();

  constructor(hypervisor: PoolHypervisor, clock: Clock) {
    this.#hypervisor = hypervisor;
    this.#clock = clock;
  }

  /** Names with calls that have not ended, those given up too. */
  get held(): Iterable<string> {
    return this.#open.keys();
  }

  hostRoom(): Promise<HostRoom> {
    return giveUpAfter(this.#clock, quickMs, 'asking the host for its room', this.#hypervisor.hostRoom());
  }

  list(): Promise<Machine[]> {
    return giveUpAfter(this.#clock, quickMs, 'listing the machines', this.#hypervisor.list());
  }

  get(name: string): Promise<Machine | undefined> {
    return this.#limited(name, quickMs, 'looking for', this.#hypervisor.get(name));
  }

  create(spec: MachineSpec): Promise<Machine> {
    return this.#limited(spec.name, vmStates.creating.maxMs ?? quickMs, 'creating', this.#hypervisor.create(spec));
  }

  suspend(name: string): Promise<void> {
    return this.#limited(name, quickMs, 'pausing', this.#hypervisor.suspend(name));
  }

  resume(name: string): Promise<void> {
    return this.#limited(name, quickMs, 'resuming', this.#hypervisor.resume(name));
  }

  remove(name: string): Promise<void> {
    return this.#limited(name, vmStates.stopping.maxMs ?? quickMs, 'removing', this.#hypervisor.remove(name));
  }

  onEvent(listener: Parameters<Hypervisor['onEvent']>[0]): () => void {
    return this.#hypervisor.onEvent(listener);
  }

  #limited<T>(name: string, limitMs: number, doing: string, call: Promise<T>): Promise<T> {
    this.#open.set(name, (this.#open.get(name) ?? 0) + 1);
    const tracked = call.finally(() => {
      const left = (this.#open.get(name) ?? 1) - 1;
      if (left === 0) this.#open.delete(name);
      else this.#open.set(name, left);
    });
    return giveUpAfter(this.#clock, limitMs, `${doing} machine ${name}`, tracked);
  }
}
