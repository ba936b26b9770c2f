import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { MachineEvent } from '../domain/hypervisor.ts';
import type { Job } from '../domain/job.ts';
import type { PoolSettings } from '../domain/pool.ts';
import type { Vm } from '../domain/vm.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { drain, enterService, park, resume, stop, undrain } from './actions.ts';
import { adoptVms, poolVms } from './adopt.ts';
import { LaunchBackoff } from './backoff.ts';
import { emit, type PoolContext } from './context.ts';
import { failVm } from './fail.ts';
import { launchVm } from './launch.ts';
import { nextVmName } from './names.ts';
import { untilWarmedUp } from './ready.ts';
import { reapVm } from './reap.ts';
import { PoolSize } from './size.ts';
import { type PoolAction, type SteeredVm, steer } from './steer.ts';
import { UnhealthyGuard } from './unhealthy.ts';
import { noticeVanished } from './vanished.ts';
import { agentAddress, heartbeats, waitForBoot } from './watch.ts';

const periodMs = 1_000;
const vanishPeriodMs = 2_000;
const keptBootTimes = 9;

/**
 * The pool's main loop: reads what is, steers towards what should be (steer.ts), and carries the steps out in the
 * background, at most one a VM at a time.
 */
export class PoolController {
  readonly size: PoolSize;
  readonly #context: PoolContext;
  readonly #stopping = new AbortController();
  /** Steps under way by VM name: launching, resuming, pausing, reaping ... */
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #watches = new Map<string, { stop: AbortController; ended: Promise<void> }>();
  /** Names of machines on the hypervisor that are not ours. */
  readonly #foreignNames = new Set<string>();
  readonly #backoff = new LaunchBackoff();
  readonly #guard = new UnhealthyGuard();
  #bootTimesMs: number[] = [];
  #isAlarmed = false;
  #loop: Loop | undefined;
  #vanishLoop: Loop | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(context: PoolContext) {
    this.#context = context;
    this.size = new PoolSize(context);
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
    const { clock, hypervisor } = this.#context;
    await this.size.load();
    await adoptVms(this.#context);
    this.#unsubscribe = hypervisor.onEvent((event) => void this.#onMachineEvent(event));
    const onError = (error: unknown): void => this.#log('the loop', error);
    this.#loop = startLoop({ name: `pool ${this.name}`, clock, periodMs, step: () => this.#step(), onError });
    // A drain is over when the last job on the VM ends.
    void this.#context.changes.each('queue', this.#stopping.signal, () => this.wake());
    // Apart from the steering: libvirt's answer may take as long as its killing of a machine that hangs.
    const step = (): Promise<void> => noticeVanished(this.#context, (name) => this.#underWay.has(name));
    this.#vanishLoop = startLoop({ name: `vanished of ${this.name}`, clock, periodMs: vanishPeriodMs, step, onError });
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
    await this.#context.store.vms.move(name, ['booting', 'ready', 'warm', 'draining', 'failed'], move);
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
    await this.#loop?.stop();
    await this.#vanishLoop?.stop();
    for (const watch of this.#watches.values()) watch.stop.abort();
    await Promise.all([...this.#underWay.values(), ...[...this.#watches.values()].map((watch) => watch.ended)]);
  }

  async #step(): Promise<void> {
    const vms = await poolVms(this.#context);
    for (const vm of vms) this.#watch(vm);
    for (const vm of vms) if (vm.state === 'failed' || vm.state === 'stopping') this.#reap(vm);
    const steered = await this.#steered(vms);
    const wanted = this.size.wanted(await this.#mayLaunch(vms));
    for (const action of steer(steered, wanted, this.#context.clock.now())) this.#act(action, vms);
  }

  async #steered(vms: readonly Vm[]): Promise<SteeredVm[]> {
    const active: Job[] = await this.#context.store.jobs.active();
    const names = (await this.#context.runtimes.list()).map((runtime) => runtime.name);
    return vms.map((vm) => ({
      ...vm,
      jobs: active.filter((job) => job.vmName === vm.name).length,
      isOutdated: vm.capacity !== null && names.some((name) => !vm.runtimes.includes(name)),
    }));
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
    return mayReplace && this.#backoff.mayLaunch(nowMs);
  }

  #act(action: PoolAction, vms: readonly Vm[]): void {
    if (this.#stopping.signal.aborted) return;
    if (action.kind === 'launch') this.#launch(vms);
    else this.#move(action.kind, action.name, action.why, vms);
  }

  #launch(vms: readonly Vm[]): void {
    const taken = new Set([...vms.map((vm) => vm.name), ...this.#underWay.keys(), ...this.#foreignNames]);
    const name = nextVmName(this.#context.pool.prefix, taken);
    this.#background(name, async () => {
      if (!(await launchVm(this.#context, name))) this.#foreignNames.add(name);
    });
  }

  #move(kind: Exclude<PoolAction['kind'], 'launch'>, name: string, why: string, vms: readonly Vm[]): void {
    const vm = vms.find((candidate) => candidate.name === name);
    if (vm === undefined) return;
    this.#background(name, async () => {
      // The list that this was decided on may be older than what has been done since.
      const now = await this.#context.store.vms.get(name);
      if (now?.state !== vm.state || now.stateSinceMs !== vm.stateSinceMs) return;
      if (kind === 'drain') return drain(this.#context, name, why);
      if (kind === 'undrain') return undrain(this.#context, name, why);
      if (kind === 'resume') return resume(this.#context, vm, this.#stopping.signal);
      await this.#unwatch(name);
      await (kind === 'park' ? park(this.#context, vm) : stop(this.#context, name, why));
    });
  }

  #reap(vm: Vm): void {
    if (this.#underWay.has(vm.name)) return;
    const nowMs = this.#context.clock.now();
    if (vm.state === 'failed') this.#guard.failed(nowMs);
    // One that never answered says that the next may not either.
    if (vm.state === 'failed' && vm.capacity === null) this.#backoff.failed(nowMs);
    this.#background(vm.name, async () => {
      if ((await this.#context.store.vms.get(vm.name))?.createdAtMs !== vm.createdAtMs) return;
      await this.#unwatch(vm.name);
      await reapVm(this.#context, vm);
    });
  }

  /** One step a VM at a time; the next step of the loop sees what came of it. */
  #background(name: string, work: () => Promise<void>): void {
    if (this.#underWay.has(name)) return;
    const ended = work()
      .catch((error: unknown) => this.#log(name, error))
      .finally(() => {
        this.#underWay.delete(name);
        this.wake();
      });
    this.#underWay.set(name, ended);
  }

  #watch(vm: Vm): void {
    if (this.#watches.has(vm.name) || this.#underWay.has(vm.name)) return;
    if (vm.state !== 'booting' && vm.state !== 'ready' && vm.state !== 'draining') return;
    const end = new AbortController();
    const follow =
      vm.state === 'booting' ? this.#followBoot(vm, end.signal) : heartbeats(this.#context, vm, end.signal);
    const ended = follow
      .catch((error: unknown) => this.#log(vm.name, error))
      .finally(() => {
        this.#watches.delete(vm.name);
        this.wake();
      });
    this.#watches.set(vm.name, { stop: end, ended });
  }

  async #followBoot(vm: Vm, signal: AbortSignal): Promise<void> {
    const first = await waitForBoot(this.#context, vm, signal);
    const agent = agentAddress(vm);
    if (first === undefined || agent === undefined) return;
    this.#backoff.succeeded();
    this.#bootTimesMs = [...this.#bootTimesMs, this.#context.clock.now() - vm.createdAtMs].slice(-keptBootTimes);
    const isWanted = async (): Promise<boolean> => {
      const ready = (await poolVms(this.#context)).filter((other) => other.state === 'ready').length;
      return ready < this.size.desired;
    };
    const health = await untilWarmedUp(this.#context, agent, first, isWanted, signal);
    await ((await isWanted()) ? enterService(this.#context, vm, health) : park(this.#context, vm, health));
  }

  async #unwatch(name: string): Promise<void> {
    const watch = this.#watches.get(name);
    watch?.stop.abort();
    await watch?.ended;
  }

  async #fail(name: string, reason: string): Promise<void> {
    await failVm(this.#context, name, reason);
    this.wake();
  }

  async #onMachineEvent(event: MachineEvent): Promise<void> {
    if (event.kind === 'started' || event.kind === 'resumed' || event.kind === 'suspended') return;
    const vm = await this.#context.store.vms.get(event.name);
    if (vm === undefined || vm.pool !== this.name) return;
    // What we do ourselves makes events too.
    if (vm.state === 'creating' || vm.state === 'stopping' || vm.state === 'failed') return;
    await this.#fail(vm.name, `its machine ${event.kind} (${event.detail})`);
  }

  #log(what: string, error: unknown): void {
    this.#context.log(`pool ${this.name}: ${what}: ${toTidepoolError(error).message}`);
  }
}
