import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { MachineEvent } from '../domain/hypervisor.ts';
import type { PoolSettings } from '../domain/pool.ts';
import type { Holding } from '../domain/queue.ts';
import { isLeaving, type Vm, vmStatesThatCan } from '../domain/vm.ts';
import { Backoff } from '../reconcile/backoff.ts';
import { giveUpAfter } from '../reconcile/deadline.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { drain, enterService, park, resume, stop, undrain } from './actions.ts';
import { adoptVms } from './adopt.ts';
import { compareMachine, compareMachines } from './compare.ts';
import { emit, type PoolContext, usualPace } from './context.ts';
import { failVm } from './fail.ts';
import { launchVm } from './launch.ts';
import { LimitedHypervisor } from './limited-hypervisor.ts';
import { nextVmName } from './names.ts';
import { overdue } from './overdue.ts';
import { poolVms } from './read.ts';
import { Reaper } from './reaper.ts';
import { PoolSize } from './size.ts';
import { type MoveAction, type PoolAction, type SteeredVm, type StepKind, steer } from './steer.ts';
import { Steps } from './steps.ts';
import { UnhealthyGuard } from './unhealthy.ts';
import { Watches } from './watches.ts';

const keptBootTimes = 9;
/** Steps that are under way when the server ends are waited for so long; the next start finds what they did. */
const stopLimitMs = 10_000;

/**
 * The pool's main loop: reads what is, steers towards what should be (steer.ts), and carries the steps out in the
 * background, at most one a VM at a time.
 */
export class PoolController {
  readonly size: PoolSize;
  readonly #context: PoolContext;
  readonly #hypervisor: LimitedHypervisor;
  readonly #stopping = new AbortController();
  readonly #steps: Steps;
  readonly #watches: Watches;
  readonly #reaper: Reaper;
  /** Names of machines on the hypervisor that are not ours. */
  readonly #foreignNames = new Set<string>();
  /** Our machines that no row knows, with the time at which they were first seen. */
  #leftovers = new Map<string, number>();
  readonly #backoff: Backoff;
  readonly #guard = new UnhealthyGuard();
  #bootTimesMs: number[] = [];
  #isAlarmed = false;
  #hasDrains = false;
  #loop: Loop | undefined;
  #compareLoop: Loop | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(context: PoolContext) {
    this.#hypervisor = new LimitedHypervisor(context.hypervisor, context.clock);
    this.#context = { ...context, hypervisor: this.#hypervisor };
    this.#backoff = new Backoff(`launches of ${context.pool.name}`);
    this.size = new PoolSize(this.#context);
    this.#reaper = new Reaper(this.#context);
    this.#steps = new Steps((name, error) => {
      if (error !== undefined) this.#log(name, error);
      this.wake();
    });
    this.#watches = new Watches(
      this.#context,
      (vm) => this.#noteBoot(vm),
      () => this.wake(),
    );
  }

  /** Median time from the launch of a VM to its entering service, of the last ones; null before the first. */
  get bootMs(): number | null {
    const sorted = this.#bootTimesMs.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }

  get name(): string {
    return this.#context.pool.name;
  }

  /** Resolves when the pool is read back and the loop runs; VMs may still be booting. */
  async start(): Promise<void> {
    const { clock, pace = usualPace } = this.#context;
    await this.size.load();
    await adoptVms(this.#context);
    this.#unsubscribe = this.#hypervisor.onEvent((event) => void this.#onMachineEvent(event));
    const onError = (error: unknown): void => this.#log('the loop', error);
    const loop = (name: string, periodMs: number, step: () => Promise<void>): Loop =>
      startLoop({ name: `${name} ${this.name}`, clock, periodMs, step, onError });
    this.#loop = loop('pool', pace.steerMs, () => this.#step());
    // A drain is over when the last job on the VM ends, and so is the wait of a row for the jobs of a VM that is gone.
    void this.#context.changes.each('queue', this.#stopping.signal, () => this.#hasDrains && this.wake());
    // Apart from the steering: libvirt's answer may take as long as its killing of a machine that hangs.
    this.#compareLoop = loop('machines of', pace.compareMs, () => this.#compare());
  }

  /** Sets the wanted number of VMs, within the bounds. */
  async scale(desired: number, why: string): Promise<void> {
    const before = this.size.desired;
    const after = await this.size.setDesired(desired);
    if (after === before) return;
    this.#context.log(`pool ${this.name}: from ${before} to ${after} VMs: ${why}`);
    this.wake();
  }

  /** Changes settings. Errors: `invalid`. */
  async change(changes: Partial<PoolSettings>): Promise<void> {
    await this.size.change(changes);
    this.wake();
  }

  /** A VM finishes its work and goes. Errors: `conflict` when its state does not allow it. */
  async drainVm(name: string): Promise<void> {
    const move = { state: 'draining' as const, reason: 'an operator asked for it', nowMs: this.#context.clock.now() };
    const facts = { isUnwanted: true };
    if (!(await this.#context.store.vms.move(name, ['ready', 'draining'], { ...move, facts }))) {
      throw new TidepoolError('conflict', `VM ${name} is not in service, so it cannot be drained; delete it instead`);
    }
    await emit(this.#context, 'vm.draining', name, `draining: ${move.reason}`);
    this.wake();
  }

  /** A VM goes at once, whatever it does; its jobs start again elsewhere. */
  async deleteVm(name: string): Promise<void> {
    const move = { state: 'stopping' as const, reason: 'deleted by an operator', nowMs: this.#context.clock.now() };
    await this.#context.store.vms.move(name, vmStatesThatCan('stop'), move);
    this.wake();
  }

  /** Steers soon. */
  wake(): void {
    this.#loop?.wake();
  }

  /** No VM is wanted any more; resolves when the last is gone. */
  async empty(): Promise<void> {
    this.size.close();
    while ((await poolVms(this.#context)).length > 0) {
      this.wake();
      await this.#context.clock.sleep(100);
    }
  }

  /** Stops steering and leaves the VMs as they are. */
  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#stopping.abort();
    const parts = [this.#loop?.stop(), this.#compareLoop?.stop(), this.#watches.stopAll(), this.#steps.ended()];
    try {
      await giveUpAfter(this.#context.clock, stopLimitMs, 'what is under way', Promise.all(parts));
    } catch (error) {
      this.#log('stopping', error);
    }
  }

  async #step(): Promise<void> {
    // Before the rows: a step that ends while they are read counts as under way, and is seen done the next time.
    const underWay = this.#steps.kinds;
    const vms = await poolVms(this.#context);
    this.#hasDrains = vms.some(({ state }) => state === 'draining' || isLeaving(state));
    const held = await this.#context.store.jobs.holdingsByWorker();
    await this.#giveUpOverdue(vms, held);
    this.#noteFailures(vms);
    for (const vm of vms) {
      if (underWay.has(vm.name)) continue;
      if (isLeaving(vm.state)) this.#reap(vm, held.get(vm.name) ?? []);
      else this.#watches.follow(vm);
    }
    const steered = await this.#steered(vms, held, underWay);
    const wanted = this.size.wanted(await this.#mayLaunch(vms));
    for (const action of steer(steered, wanted, this.#context.clock.now())) this.#act(action, vms);
  }

  async #giveUpOverdue(vms: readonly Vm[], held: ReadonlyMap<string, readonly Holding[]>): Promise<void> {
    const nowMs = this.#context.clock.now();
    const reasons = vms.map((vm) => {
      // How long a VM that has booted may prepare itself is not a matter of its boot.
      const isBooted = this.#watches.booted(vm) !== undefined;
      return isBooted ? undefined : overdue(vm, held.get(vm.name) ?? [], nowMs);
    });
    // All at once: they share the flushes to the disk.
    await Promise.all(
      vms.map(async (vm, i) => {
        const reason = reasons[i];
        if (reason !== undefined) await failVm(this.#context, vm.name, reason, [vm.state]);
      }),
    );
  }

  #noteFailures(vms: readonly Vm[]): void {
    const nowMs = this.#context.clock.now();
    // One that never answered says that the next may not either.
    for (const vm of this.#guard.see(vms, nowMs))
      if (vm.capacity === null) this.#backoff.failed(this.#context.clock.uptimeMs());
  }

  #noteBoot(vm: Vm): void {
    this.#backoff.succeeded();
    this.#bootTimesMs = [...this.#bootTimesMs, this.#context.clock.now() - vm.createdAtMs].slice(-keptBootTimes);
  }

  async #steered(
    vms: readonly Vm[],
    held: ReadonlyMap<string, readonly Holding[]>,
    underWay: ReadonlyMap<string, StepKind>,
  ): Promise<SteeredVm[]> {
    const { runtimes, workload } = this.#context;
    const names = (await runtimes.list()).map((runtime) => runtime.name);
    const known = vms.map((vm): SteeredVm => {
      const booted = this.#watches.booted(vm);
      return {
        ...vm,
        step: underWay.get(vm.name) ?? null,
        jobs: workload.inFlight(vm, held.get(vm.name) ?? []),
        isOutdated: vm.capacity !== null && workload.lacksRuntime(vm, names),
        boot: booted === undefined ? 'going' : booted.mayPause ? 'done' : 'usable',
      };
    });
    // The row of a launch may come a moment after the list was read.
    const launching = [...underWay].filter(([name, kind]) => kind === 'launch' && !vms.some((vm) => vm.name === name));
    return [...known, ...launching.map(([name]) => toCome(name, this.#context.clock.now()))];
  }

  async #mayLaunch(vms: readonly Vm[]): Promise<boolean> {
    const nowMs = this.#context.clock.now();
    const ready = vms.filter((vm) => vm.state === 'ready').length;
    const { mayReplace, failures, allowed } = this.#guard.assess(this.size.desired, ready, nowMs);
    if (!mayReplace !== this.#isAlarmed) {
      this.#isAlarmed = !mayReplace;
      const text = this.#isAlarmed
        ? `unhealthy: ${failures} VMs failed within a minute, ${allowed} may; replacing stops`
        : 'healthy again; replacing goes on';
      await emit(this.#context, this.#isAlarmed ? 'alert.raised' : 'alert.cleared', null, text, { failures, allowed });
    }
    return mayReplace && this.#backoff.mayTry(this.#context.clock.uptimeMs());
  }

  #act(action: PoolAction, vms: readonly Vm[]): void {
    if (this.#stopping.signal.aborted) return;
    if (action.kind === 'launch') this.#launch(vms);
    else this.#move(action, vms);
  }

  #launch(vms: readonly Vm[]): void {
    const rows = vms.map((vm) => vm.name);
    const others = [
      ...this.#steps.kinds.keys(),
      ...this.#hypervisor.held,
      ...this.#leftovers.keys(),
      ...this.#foreignNames,
    ];
    const name = nextVmName(this.#context.pool.prefix, new Set([...rows, ...others]));
    this.#steps.begin(name, 'launch', async () => {
      if (!(await launchVm(this.#context, name))) this.#foreignNames.add(name);
    });
  }

  #move({ kind, name, why }: MoveAction, vms: readonly Vm[]): void {
    const vm = vms.find((candidate) => candidate.name === name);
    if (vm === undefined) return;
    this.#steps.begin(name, kind, async () => {
      // The list that this was decided on may be older than what has been done since.
      const now = await this.#context.store.vms.get(name);
      if (now?.state !== vm.state || now.stateSinceMs !== vm.stateSinceMs) return;
      if (kind === 'drain') return drain(this.#context, name, why);
      if (kind === 'undrain') return undrain(this.#context, name, why);
      if (kind === 'resume') return resume(this.#context, vm, this.#stopping.signal);
      const health = this.#watches.booted(vm)?.health;
      await this.#watches.stop(name);
      if (kind === 'stop') return stop(this.#context, name, why);
      if (kind === 'park') return park(this.#context, vm, health);
      if (health !== undefined) return enterService(this.#context, vm, health);
    });
  }

  #reap(vm: Vm, held: readonly Holding[]): void {
    if (!this.#reaper.mayTry(vm.name)) return;
    // Its row waits for its jobs to be given up, after which this loop is woken.
    if (this.#reaper.isRemoved(vm) && held.length > 0) return;
    this.#steps.begin(vm.name, 'reap', async () => {
      if ((await this.#context.store.vms.get(vm.name))?.createdAtMs !== vm.createdAtMs) return;
      await this.#watches.stop(vm.name);
      await this.#reaper.reap(vm);
    });
  }

  async #compare(): Promise<void> {
    const unknown = await compareMachines(this.#context, (name) => this.#steps.kindOf(name) !== undefined);
    const nowMs = this.#context.clock.now();
    this.#leftovers = new Map(unknown.map(({ name }) => [name, this.#leftovers.get(name) ?? nowMs]));
    for (const [name, stateSinceMs] of this.#leftovers) {
      if (!this.#reaper.mayTry(name)) continue;
      this.#steps.begin(name, 'sweep', async () => {
        // It may have been launched since.
        if ((await this.#context.store.vms.get(name)) !== undefined) return;
        await this.#reaper.reap({ name, reason: 'left behind by an interrupted launch or removal', stateSinceMs });
      });
    }
  }

  async #onMachineEvent(event: MachineEvent): Promise<void> {
    if (event.kind === 'started') return;
    try {
      await compareMachine(this.#context, event, (name) => this.#steps.kindOf(name) !== undefined);
    } catch (error) {
      this.#log(event.name, error);
    }
  }

  #log(what: string, error: unknown): void {
    this.#context.log(`pool ${this.name}: ${what}: ${toTidepoolError(error).message}`);
  }
}

function toCome(name: string, nowMs: number): SteeredVm {
  const none = { jobs: 0, isOutdated: false, isUnwanted: false };
  return { ...none, name, state: 'creating', stateSinceMs: nowMs, createdAtMs: nowMs, boot: 'going', step: 'launch' };
}
