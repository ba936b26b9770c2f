import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { MachineEvent } from '../domain/hypervisor.ts';
import type { PoolSettings } from '../domain/pool.ts';
import type { Holding } from '../domain/queue.ts';
import { isLeaving, type Vm, vmStatesThatCan } from '../domain/vm.ts';
import { giveUpAfter } from '../reconcile/deadline.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { drain, enterService, park, resume, stop, undrain } from './actions.ts';
import { adoptVms } from './adopt.ts';
import { Ages } from './ages.ts';
import { isBusy } from './busy.ts';
import { type Comparing, compareMachine, compareMachines } from './compare.ts';
import { emit, type PoolContext, usualPace } from './context.ts';
import { newVmRuntimes } from './disks.ts';
import { failVm } from './fail.ts';
import { launchVm } from './launch.ts';
import { Launches } from './launches.ts';
import { LimitedHypervisor } from './limited-hypervisor.ts';
import { RuntimeNeeds } from './needs.ts';
import { NoRoom } from './no-room.ts';
import { outdatedBecause, type UpToDate } from './outdated.ts';
import { overdue } from './overdue.ts';
import { poolVms } from './read.ts';
import { Reaper } from './reaper.ts';
import { PoolSize } from './size.ts';
import { type MoveAction, type PoolAction, type SteeredVm, type StepKind, steer } from './steer.ts';
import { Steps } from './steps.ts';
import { Watches } from './watches.ts';

/** Steps that are under way when the server ends are waited for so long; the next start finds what they did. */
const stopLimitMs = 10_000;
/** Between two steps that the pool's own steps cause, once many have followed each other. */
const leastGapMs = 50;

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
  readonly #launches: Launches;
  readonly #needs = new RuntimeNeeds();
  readonly #noRoom: NoRoom;
  readonly #ages: Ages;
  readonly #comparing: Comparing;
  /** Our machines that no row knows, with the time at which they were first seen. */
  #leftovers = new Map<string, number>();
  /** When VMs that come up were launched by this server, by the steady clock. */
  readonly #launchedAtMs = new Map<string, number>();
  #hasDrains = false;
  #loop: Loop | undefined;
  #compareLoop: Loop | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(context: PoolContext) {
    this.#hypervisor = new LimitedHypervisor(context.hypervisor, context.clock);
    this.#context = { ...context, hypervisor: this.#hypervisor };
    const { clock, pace = usualPace } = context;
    this.#ages = new Ages(pace.steerMs);
    this.#launches = new Launches(this.#context);
    this.#noRoom = new NoRoom(this.#context);
    this.size = new PoolSize(this.#context);
    this.#reaper = new Reaper(this.#context);
    this.#steps = new Steps(
      clock,
      () => this.wake(),
      (name, kind, error) => {
        if (kind === 'launch') this.#launches.failed();
        this.#log(name, error);
      },
    );
    this.#comparing = {
      // At the end steps are let go where they are, and the next start puts their VMs right.
      isUnderWay: (name) => this.#stopping.signal.aborted || this.#steps.kindOf(name) !== undefined,
      attempt: (name, work) => this.#steps.attempt(name, work),
      noRoom: this.#noRoom,
    };
    this.#watches = new Watches(
      this.#context,
      (vm) => this.#noteBoot(vm),
      () => this.wake(),
      (name) => this.#noRoom.stoodLately(name),
    );
  }

  /** Median time from the launch of a VM to its entering service, of the last ones; null before the first. */
  get bootMs(): number | null {
    return this.#launches.bootMs;
  }

  /** Why a VM that is wanted is not launched; null when nothing keeps it from being. */
  get waitsFor(): string | null {
    return this.#launches.waitsFor;
  }

  get name(): string {
    return this.#context.pool.name;
  }

  /** Resolves when the pool is read back and the loop runs; VMs may still be booting. */
  async start(): Promise<void> {
    const { clock, pace = usualPace } = this.#context;
    await this.size.load();
    await this.#launches.load();
    await adoptVms(this.#context);
    this.#noRoom.restore(await poolVms(this.#context));
    this.#unsubscribe = this.#hypervisor.onEvent((event) => void this.#onMachineEvent(event));
    const onError = (error: unknown): void => this.#log('the loop', error);
    const loop = (name: string, periodMs: number, step: () => Promise<void>): Loop =>
      startLoop({ name: `${name} ${this.name}`, clock, periodMs, leastGapMs, step, onError });
    this.#loop = loop('pool', pace.steerMs, () => this.#step());
    // A drain is over when the last job on the VM ends, and so is the wait of a row for the jobs of a VM that is gone.
    void this.#context.changes.each('queue', this.#stopping.signal, () => this.#hasDrains && this.wake());
    void this.#context.changes.each('room', this.#stopping.signal, () => this.wake());
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
    this.#ages.look(vms, this.#context.clock.uptimeMs(), (name) => this.#noRoom.has(name));
    await this.#giveUpOverdue(vms, held);
    for (const vm of vms) {
      if (underWay.has(vm.name)) continue;
      if (isLeaving(vm.state)) this.#reap(vm, held.get(vm.name) ?? []);
      else this.#watches.follow(vm);
    }
    const steered = await this.#steered(vms, held, underWay);
    const wanted = this.size.wanted(await this.#launches.most(vms, this.size.desired));
    const actions = steer(steered, wanted, this.#ages.nowMs);
    for (const action of actions) this.#act(action, vms);
    await this.#launches.tell(actions.some(({ kind }) => kind === 'launch'));
    await this.#launches.save();
  }

  async #giveUpOverdue(vms: readonly Vm[], held: ReadonlyMap<string, readonly Holding[]>): Promise<void> {
    const { nowMs } = this.#ages;
    const reasons = vms.map((vm) => {
      // How long a VM that has booted may prepare itself is not a matter of its boot.
      const isBooted = this.#watches.booted(vm) !== undefined;
      const aged = { state: vm.state, stateSinceMs: this.#ages.sinceMs(vm.name) };
      if (isBooted) return undefined;
      return overdue(aged, held.get(vm.name) ?? [], nowMs, isBusy(this.#context, vm.name));
    });
    // All at once: they share the flushes to the disk.
    await Promise.all(
      vms.map(async (vm, i) => {
        const reason = reasons[i];
        if (reason === undefined) return;
        await this.#steps.attempt(vm.name, () => failVm(this.#context, vm.name, reason, [vm.state]));
      }),
    );
  }

  #noteBoot(vm: Vm): void {
    // Of a VM that an earlier server launched nobody knows how much of its time it took.
    const launchedAtMs = this.#launchedAtMs.get(vm.name);
    this.#launches.succeeded(launchedAtMs === undefined ? undefined : this.#context.clock.uptimeMs() - launchedAtMs);
    this.#launchedAtMs.delete(vm.name);
  }

  async #steered(
    vms: readonly Vm[],
    held: ReadonlyMap<string, readonly Holding[]>,
    underWay: ReadonlyMap<string, StepKind>,
  ): Promise<SteeredVm[]> {
    const { runtimes, workload, image } = this.#context;
    const inFlight = vms.map((vm) => ({ ...vm, jobs: workload.inFlight(vm, held.get(vm.name) ?? []) }));
    const built = await runtimes.list();
    const awaited = (this.#context.awaitedRuntimes?.() ?? []).filter((name) => built.some((one) => one.name === name));
    const isShort = vms.filter((vm) => vm.state === 'ready').length < this.size.desired;
    this.#needs.look(inFlight, awaited, isShort);
    const ofNewVms = newVmRuntimes(built, this.#needs.preferred).map(({ name }) => name);
    const upToDate: UpToDate = {
      imageId: image.id,
      lacksRuntime: (vm) => workload.lacksRuntime(vm, ofNewVms),
      isMarked: (vm) => this.#needs.isMarked(vm),
    };
    const known = inFlight.map((vm): SteeredVm => {
      const booted = this.#watches.booted(vm);
      const because = outdatedBecause(vm, upToDate);
      return {
        ...vm,
        stateSinceMs: this.#ages.sinceMs(vm.name),
        step: underWay.get(vm.name) ?? null,
        isOutdated: because !== undefined,
        outdatedBecause: because,
        boot: booted === undefined ? 'going' : booted.mayPause ? 'done' : 'usable',
      };
    });
    // The row of a launch may come a moment after the list was read.
    const launching = [...underWay].filter(([name, kind]) => kind === 'launch' && !vms.some((vm) => vm.name === name));
    return [...known, ...launching.map(([name]) => toCome(name, this.#ages.nowMs))];
  }

  #act(action: PoolAction, vms: readonly Vm[]): void {
    if (this.#stopping.signal.aborted) return;
    if (action.kind === 'launch') this.#launch(vms);
    else this.#move(action, vms);
  }

  #launch(vms: readonly Vm[]): void {
    const taken = [
      ...vms.map((vm) => vm.name),
      ...this.#steps.kinds.keys(),
      ...this.#hypervisor.held,
      ...this.#leftovers.keys(),
    ];
    const name = this.#launches.nextName(taken);
    if (!this.#launches.admit(name)) return;
    this.#launchedAtMs.set(name, this.#context.clock.uptimeMs());
    const isBegun = this.#steps.begin(name, 'launch', async () => {
      try {
        if (!(await launchVm(this.#context, name, this.#needs.preferred))) this.#launches.isForeign(name);
      } finally {
        this.#launches.ended(name);
      }
    });
    if (!isBegun) this.#launches.ended(name);
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
    // Its row waits for its jobs to be given up, after which this loop is woken. They wait for it to be `dead`.
    if (vm.state === 'dead' && this.#reaper.isRemoved(vm) && held.length > 0) return;
    this.#steps.begin(vm.name, 'reap', async () => {
      if ((await this.#context.store.vms.get(vm.name))?.createdAtMs !== vm.createdAtMs) return;
      await this.#watches.stop(vm.name);
      await this.#reaper.reap(vm);
    });
  }

  async #compare(): Promise<void> {
    const unknown = await compareMachines(this.#context, this.#comparing);
    await this.#resumeStanding();
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

  /** Guests that stood for lack of room go on when there is some. */
  async #resumeStanding(): Promise<void> {
    // A warm VM is paused by us: it went on before, or it could not have been parked.
    const stays = ({ state }: Vm): boolean => !isLeaving(state) && state !== 'warm';
    await this.#noRoom.keepOnly((await poolVms(this.#context)).filter(stays));
    for (const name of this.#noRoom.standing) {
      if (!this.#noRoom.mayTry(name)) continue;
      const vm = await this.#context.store.vms.get(name);
      if (vm === undefined) continue;
      this.#steps.begin(name, 'unpause', () => this.#noRoom.resume(vm, this.#stopping.signal));
    }
  }

  async #onMachineEvent(event: MachineEvent): Promise<void> {
    if (event.kind === 'started') return;
    try {
      await compareMachine(this.#context, event, this.#comparing);
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
