import type { MachineEvent } from '../domain/hypervisor.ts';
import { type Vm, vmStates } from '../domain/vm.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { adoptVms, poolMachines, poolVms } from './adopt.ts';
import { LaunchBackoff } from './backoff.ts';
import type { PoolContext } from './context.ts';
import { launchVm } from './launch.ts';
import { nextVmName } from './names.ts';
import { reapVm } from './reap.ts';
import { failVm, watchVm } from './watch.ts';

const periodMs = 2_000;
const maxParallelLaunches = 2;

/** Keeps a pool at its size: adopts what is there, launches what is missing, watches, and reaps what failed. */
export class PoolController {
  readonly #context: PoolContext;
  readonly #stopping = new AbortController();
  readonly #launches = new Map<string, Promise<void>>();
  readonly #watches = new Map<string, { stop: AbortController; ended: Promise<void> }>();
  readonly #backoff = new LaunchBackoff();
  #loop: Loop | undefined;
  #unsubscribe: (() => void) | undefined;
  #size: number;

  constructor(context: PoolContext) {
    this.#context = context;
    this.#size = context.pool.size;
  }

  /** Resolves when the pool is read back and the loop runs; VMs may still be booting. */
  async start(): Promise<void> {
    const { clock, log, hypervisor } = this.#context;
    await adoptVms(this.#context);
    this.#unsubscribe = hypervisor.onEvent((event) => void this.#onMachineEvent(event));
    this.#loop = startLoop({
      name: `pool ${this.#context.pool.name}`,
      clock,
      periodMs,
      step: () => this.#step(),
      onError: (error) => log(`pool loop: ${error instanceof Error ? error.message : String(error)}`),
    });
  }

  /** No VM is wanted any more: idle ones go at once, busy ones when `isDone` jobs have ended. Resolves when none is left. */
  async drain(): Promise<void> {
    this.#size = 0;
    for (;;) {
      this.#loop?.wake();
      if ((await poolVms(this.#context)).length === 0) return;
      await this.#context.clock.sleep(100);
    }
  }

  /** Stops steering and leaves the VMs as they are. */
  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#stopping.abort();
    await this.#loop?.stop();
    for (const watch of this.#watches.values()) watch.stop.abort();
    await Promise.all([...this.#launches.values(), ...[...this.#watches.values()].map((watch) => watch.ended)]);
  }

  async #step(): Promise<void> {
    const vms = await poolVms(this.#context);
    await this.#noticeVanished(vms);
    for (const vm of vms) this.#watch(vm);
    await this.#stopSurplus(vms);
    await this.#stopOutdated(vms);
    await this.#reap(vms);
    this.#launchMissing(vms);
  }

  /** Machines that somebody removed or shut down while no event reached us. */
  async #noticeVanished(vms: readonly Vm[]): Promise<void> {
    const machines = await poolMachines(this.#context);
    for (const vm of vms) {
      if (vm.state !== 'booting' && vm.state !== 'ready' && vm.state !== 'draining') continue;
      const state = machines.get(vm.name)?.state ?? 'gone';
      if (state !== 'running') await failVm(this.#context, vm.name, `its machine is ${state}`);
    }
  }

  async #stopSurplus(vms: readonly Vm[]): Promise<void> {
    const counted = vms.filter((vm) => vmStates[vm.state].counts);
    let surplus = counted.length - this.#size;
    for (const vm of counted.reverse()) {
      if (surplus <= 0) return;
      const nowMs = this.#context.clock.now();
      const reason = 'the pool wants fewer VMs';
      const isStopping =
        vm.state === 'booting'
          ? await this.#context.store.vms.move(vm.name, ['booting'], { state: 'stopping', reason, nowMs })
          : await this.#context.store.vms.stopIfIdle(vm.name, nowMs, reason);
      if (isStopping) surplus -= 1;
    }
    if (surplus < counted.length - this.#size) this.#loop?.wake();
  }

  /** A runtime that was built after a VM was made reaches the pool by replacing the VM when it is idle, one a step. */
  async #stopOutdated(vms: readonly Vm[]): Promise<void> {
    const names = (await this.#context.runtimes.list()).map((runtime) => runtime.name);
    for (const vm of vms) {
      if (vm.state !== 'ready' || names.every((name) => vm.runtimes.includes(name))) continue;
      const reason = 'it has not all runtimes; another takes its place';
      if (!(await this.#context.store.vms.stopIfIdle(vm.name, this.#context.clock.now(), reason))) continue;
      this.#context.log(`vm ${vm.name}: ${reason}`);
      this.#loop?.wake();
      return;
    }
  }

  async #reap(vms: readonly Vm[]): Promise<void> {
    // One that never got ready says that the next may not either; one that failed in service does not.
    if (vms.some((vm) => vm.state === 'failed' && vm.capacity === null))
      this.#backoff.failed(this.#context.clock.now());
    else if (vms.some((vm) => vm.state === 'ready')) this.#backoff.succeeded();
    const ending = vms.filter(
      (vm) => (vm.state === 'failed' || vm.state === 'stopping') && !this.#launches.has(vm.name),
    );
    await Promise.all(
      ending.map(async (vm) => {
        this.#watches.get(vm.name)?.stop.abort();
        await this.#watches.get(vm.name)?.ended;
        await reapVm(this.#context, vm.name);
      }),
    );
    if (ending.length > 0) this.#loop?.wake();
  }

  #launchMissing(vms: readonly Vm[]): void {
    const counted = vms.filter((vm) => vmStates[vm.state].counts).length;
    const taken = new Set([...vms.map((vm) => vm.name), ...this.#launches.keys()]);
    let missing = this.#size - counted;
    if (!this.#backoff.mayLaunch(this.#context.clock.now())) return;
    while (missing > 0 && this.#launches.size < maxParallelLaunches && !this.#stopping.signal.aborted) {
      const name = nextVmName(this.#context.pool.prefix, taken);
      taken.add(name);
      missing -= 1;
      this.#launches.set(name, this.#launch(name));
    }
  }

  async #launch(name: string): Promise<void> {
    try {
      await launchVm(this.#context, name);
    } catch (error) {
      this.#context.log(`vm ${name}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#launches.delete(name);
      this.#loop?.wake();
    }
  }

  #watch(vm: Vm): void {
    if (this.#watches.has(vm.name)) return;
    if (vm.state !== 'booting' && vm.state !== 'ready' && vm.state !== 'draining') return;
    const stop = new AbortController();
    const ended = watchVm(this.#context, vm, stop.signal)
      .catch((error: unknown) =>
        this.#context.log(`vm ${vm.name}: ${error instanceof Error ? error.message : String(error)}`),
      )
      .finally(() => {
        this.#watches.delete(vm.name);
        this.#loop?.wake();
      });
    this.#watches.set(vm.name, { stop, ended });
  }

  async #onMachineEvent(event: MachineEvent): Promise<void> {
    if (event.kind === 'started' || event.kind === 'resumed' || event.kind === 'suspended') return;
    const vm = await this.#context.store.vms.get(event.name);
    if (vm === undefined || vm.pool !== this.#context.pool.name) return;
    if (vm.state === 'creating') return;
    await failVm(this.#context, vm.name, `its machine ${event.kind} (${event.detail})`);
    this.#loop?.wake();
  }
}
