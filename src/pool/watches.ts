import { toTidepoolError } from '../domain/errors.ts';
import type { Vm } from '../domain/vm.ts';
import type { AgentHealth } from '../protocol/agent.ts';
import { Backoffs } from '../reconcile/backoff.ts';
import type { PoolContext } from './context.ts';
import { failVm } from './fail.ts';
import { untilWarmedUp } from './ready.ts';
import { heartbeats, waitForBoot } from './watch.ts';

/** VMs whose failed watches are remembered. */
const mostNames = 10_000;

/** A VM whose agent has answered after its boot. */
export interface Booted {
  readonly health: AgentHealth;
  /** It has nothing more to prepare. */
  readonly mayPause: boolean;
}

/**
 * Follows each VM that runs: its boot until it can take work, then its heartbeats. At most one watch a VM. A watch that could
 * not go on, e.g. because the hypervisor does not answer, is begun again after a pause.
 */
export class Watches {
  readonly #context: PoolContext;
  readonly #onBooted: (vm: Vm) => void;
  readonly #wake: () => void;
  readonly #stands: (name: string) => boolean;
  readonly #backoffs = new Backoffs(mostNames);
  readonly #watches = new Map<string, { readonly stop: AbortController; readonly ended: Promise<void> }>();
  /** By name, with the time of the launch: names come again. */
  readonly #booted = new Map<string, Booted & { readonly createdAtMs: number }>();

  /**
   * @param onBooted told when a VM's agent answered for the first time
   * @param wake called when there is something new to decide
   * @param stands whether the guest of a VM is known to stand for lack of room on the host, or stood a moment ago
   */
  constructor(
    context: PoolContext,
    onBooted: (vm: Vm) => void,
    wake: () => void,
    stands: (name: string) => boolean = () => false,
  ) {
    this.#context = context;
    this.#onBooted = onBooted;
    this.#wake = wake;
    this.#stands = stands;
  }

  /** What is known of a VM that is booting and has answered; undefined when it has not, or is booting no more. */
  booted(vm: Pick<Vm, 'name' | 'state' | 'createdAtMs'>): Booted | undefined {
    const booted = this.#booted.get(vm.name);
    return vm.state === 'booting' && booted?.createdAtMs === vm.createdAtMs ? booted : undefined;
  }

  /** Begins to follow a VM if it is to be followed and is not yet. */
  follow(vm: Vm): void {
    if (this.#watches.has(vm.name) || !this.#backoffs.mayTry(vm.name, this.#context.clock.uptimeMs())) return;
    if (vm.state !== 'booting' && vm.state !== 'ready' && vm.state !== 'draining') return;
    if (this.booted(vm)?.mayPause) return;
    const stop = new AbortController();
    const follow =
      vm.state === 'booting' ? this.#boot(vm, stop.signal) : heartbeats(this.#context, vm, stop.signal, this.#stands);
    const succeeded = (): void => {
      this.#watches.delete(vm.name);
      this.#backoffs.succeeded(vm.name);
      this.#wake();
    };
    const failed = (error: unknown): void => {
      this.#watches.delete(vm.name);
      this.#backoffs.failed(vm.name, this.#context.clock.uptimeMs());
      this.#context.log(`vm ${vm.name}: watching it: ${toTidepoolError(error).message}`);
    };
    this.#watches.set(vm.name, { stop, ended: follow.then(succeeded, failed) });
  }

  /** Ends the watch of a VM, before a step after which it says nothing any more. */
  async stop(name: string): Promise<void> {
    const watch = this.#watches.get(name);
    watch?.stop.abort();
    await watch?.ended;
    this.#booted.delete(name);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#watches.keys()].map((name) => this.stop(name)));
  }

  async #prepare(vm: Vm, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#context.workload.prepare(vm, signal);
      return true;
    } catch (error) {
      if (!signal.aborted) await failVm(this.#context, vm.name, toTidepoolError(error).message, ['booting']);
      return false;
    }
  }

  async #boot(vm: Vm, signal: AbortSignal): Promise<void> {
    const { createdAtMs } = vm;
    const up = await waitForBoot(this.#context, vm, signal);
    if (up === undefined || !(await this.#prepare({ ...vm, runtimes: up.health.runtimes }, signal))) return;
    this.#onBooted(vm);
    this.#booted.set(vm.name, { health: up.health, mayPause: !up.health.isWarmingUp, createdAtMs });
    this.#wake();
    if (!up.health.isWarmingUp) return;
    // Whoever wants it at once takes it as it is, which ends this watch.
    const health = await untilWarmedUp(this.#context, up.agent, up.health, async () => false, signal);
    if (!signal.aborted) this.#booted.set(vm.name, { health, mayPause: true, createdAtMs });
  }
}
