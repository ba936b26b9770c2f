import { type Vm, vmStates } from '../../src/domain/vm.ts';
import type { FakeHypervisor } from '../../src/fake/hypervisor.ts';
import { busyBootMs } from '../../src/pool/overdue.ts';
import { agentProtocol } from '../../src/protocol/agent.ts';
import type { SimServer } from './server.ts';
import { poolName, type World } from './world.ts';

/** A time limit is looked at once a second; a VM that has booted may prepare itself for a minute before it is paused. */
const lateMs = 5_000;
const preparationMs = 60_000;
/** A step towards a size that was wanted may end this much later. */
const stepMs = 45_000;
/** From the decision to drain a VM to its being drained. */
const decisionMs = 5_000;
/**
 * How long the row of a VM that is drained may say that it serves, while another takes its place already: a write that fails
 * is tried again.
 */
const unwrittenMs = 5_000;
/** Strikes after which a sick VM is drained, and attempts that may be on their way to it then. */
const mostRefusals = 3 + 3;

const holders: readonly string[] = ['ready', 'draining', 'away', 'stopping', 'failed', 'dead'];
/** Reasons of drains by which another VM takes the place of one. */
const isReplacement = (reason: string): boolean =>
  /^(its agent is of|its image is not|it lacks a runtime|a job waits)/.test(reason);

/** The server that runs, and what it was told to be. */
export interface Running {
  readonly server: SimServer;
  readonly upSinceMs: number;
  readonly imageId: string;
  readonly maxParallelLaunches: number;
}

interface Wanted {
  readonly atMs: number;
  readonly desired: number;
  readonly surge: number;
}

/** What must hold all the time, whatever happens. */
export class Checks {
  readonly #world: World;
  readonly #stranger: FakeHypervisor;
  readonly #strangers: number;
  /** Stays of VMs in a state, with the time at which each was first seen. */
  readonly #stays = new Map<string, number>();
  /** Sizes that were wanted lately, with their times. */
  #wanted: Wanted[] = [];
  /** When VMs have left the service of late, other than to be replaced. */
  #leftAtMs: number[] = [];
  #inService = 0;
  #tooManySinceMs: number | undefined;

  readonly #desired: () => number;

  /**
   * @param stranger the connection of somebody else
   * @param strangers number of the machines of somebody else
   * @param desired number of VMs that the server wants now
   */
  constructor(world: World, stranger: FakeHypervisor, strangers: number, desired: () => number) {
    this.#world = world;
    this.#stranger = stranger;
    this.#strangers = strangers;
    this.#desired = desired;
    world.onMove = (before, to) => this.#moved(before, to.state, to.reason);
  }

  /** To be called whenever the wanted size may have changed, too. */
  noteWanted(desired: number, surge = 0): void {
    this.#wanted.push({ atMs: this.#world.clock.uptimeMs(), desired, surge });
  }

  async look(running: Running | undefined): Promise<void> {
    const world = this.#world;
    const vms = await world.store.vms.ofPool(poolName);
    const nowMs = world.clock.uptimeMs();
    if (running !== undefined) {
      const { settings, desired } = running.server.pool.size;
      const { min, max } = settings;
      if (desired < min || desired > max) world.violated(`${desired} VMs are wanted, not ${min} to ${max}`);
      this.#wanted = this.#wanted.filter(({ atMs }) => nowMs - atMs < stepMs);
      // One more than wanted is in service while VMs are replaced.
      this.noteWanted(desired, vms.some((vm) => vm.state === 'ready' && this.isOutdated(vm, running)) ? 1 : 0);
    }
    this.#checkStays(vms, running);
    await this.#checkHoldings();
    const inService = vms.filter((vm) => vm.state === 'ready').length;
    // The size is wanted at one moment and the surge seen at another.
    const largest = (of: (wanted: Wanted) => number): number => Math.max(0, ...this.#wanted.map(of));
    const most = largest(({ desired }) => desired) + largest(({ surge }) => surge);
    if (inService <= most) this.#tooManySinceMs = undefined;
    else if (inService > this.#inService) this.#tooManySinceMs ??= nowMs;
    if (this.#tooManySinceMs !== undefined && nowMs - this.#tooManySinceMs > unwrittenMs)
      world.violated(`${inService} VMs are in service, and no more than ${most} were wanted`);
    this.#inService = inService;
    if (running === undefined) return;
    // A row may be behind its machine, be it that it could not be written: a machine that is off is not on its way.
    const isBooting = (name: string): boolean =>
      world.host.machines.get(name)?.isOff === false && !world.guests.get(name)?.isUp;
    const isComing = ({ name, state }: Vm): boolean => state === 'creating' || (state === 'booting' && isBooting(name));
    const coming = vms.filter(isComing).length;
    if (coming > running.maxParallelLaunches) world.violated(`${coming} VMs are on their way up`);
  }

  /** Machines of others are as they were. */
  async checkStrangers(): Promise<void> {
    const machines = await this.#stranger.list();
    for (const { name, state } of machines)
      if (state !== 'running') this.#world.violated(`${name} is not ours and was ${state}`);
    if (machines.length !== this.#strangers) this.#world.violated('a machine that is not ours is gone');
  }

  /** Whether another VM is to take the place of this one. */
  isOutdated({ runtimes, imageId, protocol, capacity }: Vm, running: Pick<Running, 'imageId'>): boolean {
    if (capacity === null) return false;
    const isOld = imageId !== running.imageId || protocol !== agentProtocol;
    return isOld || this.#world.runtimes.some((name) => !runtimes.includes(name));
  }

  /** A VM that refuses what it is given is drained after three strikes in a row. */
  checkTrust(): void {
    for (const [name, { refusals }] of this.#world.guests) {
      if (refusals > mostRefusals) this.#world.violated(`${name} is sick and was given ${refusals} attempts`);
    }
  }

  /** When a stay was first seen; time in which the server was away, stood still or could write nothing is not part of it. */
  #sinceMs(stay: string, upSinceMs: number): number {
    const world = this.#world;
    const sinceMs = this.#stays.get(stay) ?? world.clock.uptimeMs();
    this.#stays.set(stay, sinceMs);
    return Math.max(sinceMs, upSinceMs, world.stoodUntilMs, world.dataDiskFullUntilMs);
  }

  /** No VM stays in a state for longer than it may. */
  #checkStays(vms: readonly Vm[], running: Running | undefined): void {
    const { clock, guests } = this.#world;
    for (const { name, state, stateSinceMs } of vms) {
      if (state !== 'creating' && state !== 'booting') continue;
      const sinceMs = clock.uptimeMs() - this.#sinceMs(`${name} ${state} ${stateSinceMs}`, running?.upSinceMs ?? 0);
      const { isUp = false, isHung = false } = guests.get(name) ?? {};
      const bootMs = isHung ? vmStates.booting.maxMs : busyBootMs;
      const maxMs = state === 'booting' ? bootMs : vmStates[state].maxMs;
      const mostMs = (maxMs ?? 0) + lateMs + (isUp ? preparationMs : 0);
      if (running !== undefined && sinceMs > mostMs)
        this.#world.violated(`${name} has been ${state} for ${sinceMs} ms`);
    }
  }

  /** No VM has jobs in a state in which it takes none. */
  async #checkHoldings(): Promise<void> {
    const { store } = this.#world;
    const holdings = await store.jobs.holdings();
    if (holdings.length === 0) return;
    const vms = await store.vms.list();
    for (const { jobId, worker } of holdings) {
      const state = vms.find((vm) => vm.name === worker)?.state;
      if (state === undefined || !holders.includes(state))
        this.#world.violated(`${jobId} is on ${worker}, which is ${state}`);
    }
  }

  async #moved(before: Vm, state: string, reason: string): Promise<void> {
    if (before.state !== 'ready' || state === 'ready' || before.pool !== poolName) return;
    const { clock, store } = this.#world;
    const nowMs = clock.uptimeMs();
    this.#leftAtMs = this.#leftAtMs.filter((atMs) => nowMs - atMs < decisionMs);
    if (state !== 'draining' || !isReplacement(reason)) {
      this.#leftAtMs.push(nowMs);
      return;
    }
    this.#world.count('VMs replaced');
    const inService = (await store.vms.ofPool(poolName)).filter((vm) => vm.state === 'ready').length;
    const lately = this.#wanted.filter(({ atMs }) => nowMs - atMs < decisionMs).map(({ desired }) => desired);
    const least = Math.min(this.#desired(), ...lately) - this.#leftAtMs.length;
    if (inService < least)
      this.#world.violated(`${before.name} was replaced (${reason}) and left ${inService} VMs in service`);
  }
}
