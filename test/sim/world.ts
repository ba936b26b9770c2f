import { nextTick } from 'node:process';
import { inspect } from 'node:util';
import type { AgentAddress } from '../../src/domain/agent-link.ts';
import type { BlobStore } from '../../src/domain/blob-store.ts';
import type { ErrorCode, TidepoolError } from '../../src/domain/errors.ts';
import type { Flavor } from '../../src/domain/flavor.ts';
import type { Machine, MachineSpec } from '../../src/domain/hypervisor.ts';
import type { Store, VmMove } from '../../src/domain/store.ts';
import { isLeaving, type Vm } from '../../src/domain/vm.ts';
import type { FakeAgent } from '../../src/fake/agent.ts';
import { type AgentCall, FakeAgentLink } from '../../src/fake/agent-link.ts';
import type { CallFault, HypervisorCall } from '../../src/fake/call-fault.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { FakeHost } from '../../src/fake/host.ts';
import { FakeHypervisor } from '../../src/fake/hypervisor.ts';
import { agentProtocol, agentSecretNames } from '../../src/protocol/agent.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { MemoryLogs, textBlobs } from './parts.ts';
import { Random } from './random.ts';
import { remembering } from './remembering.ts';
import { SimLink } from './sim-link.ts';

/** What runs in one machine. */
export interface Guest {
  readonly uuid: string;
  readonly address: AgentAddress;
  isUp: boolean;
  isPaused: boolean;
  /** Its agent answers nothing before this. */
  silentUntilMs: number;
  /** It uses no CPU while it is silent, or not up yet. */
  isHung: boolean;
  /** Its agent, once it is up. */
  agent: FakeAgent | undefined;
  /** `refuses`: it starts no attempt. `babbles`: what it answers about attempts is not of the protocol. */
  sickness: 'refuses' | 'babbles' | undefined;
  /** First attempts of jobs that it has refused, since the present server began. */
  refusals: number;
}

export const flavor: Flavor = { name: 'small', vcpus: 2, memoryMiB: 1024, diskGiB: 10 };
export const poolName = 'sim';
/** A VM whose guest is up by then has no reason to fail. */
const toleratedBootMs = 100_000;
const keptLines = 400;

/** Everything around the control plane: time, host, guests, wire and database. It outlives a control plane's process. */
export class World {
  readonly random: Random;
  readonly clock = new FakeClock(undefined, promisesSettled);
  readonly host = new FakeHost();
  readonly logs = new MemoryLogs();
  readonly blobs: BlobStore = { ...textBlobs };
  readonly store: Store;
  readonly agents = new FakeAgentLink(this.clock);
  readonly link = new SimLink(this.agents, this.clock, {
    latencyMs: () => this.random.int(1, 20),
    isSilent: (agent) => this.#isSilent(agent),
  });
  readonly guests = new Map<string, Guest>();
  /** Any VM may fail until then. */
  excusedUntilMs = 0;
  /** The server stood still until then the last time. */
  stoodUntilMs = 0;
  /** The disk of the data folder was full until then the last time, or still is. */
  dataDiskFullUntilMs = 0;
  /** VMs by name that something was done to, with what: these may fail. Until their row is deleted. */
  readonly harmed = new Map<string, string>();
  /** VMs that an operator deleted: these may be busy. Until their row is deleted. */
  readonly deleted = new Set<string>();
  /** What must never happen and did. */
  readonly violations: string[] = [];
  readonly isStoreSlow: boolean;
  /** When statistics were read last. */
  sampledAtMs = 0;
  /** Versions of the agent's API that came after the first: each is an upgrade of the server. */
  upgrades = 0;
  /** Asked at each call to an agent. */
  agentTrouble: (call: AgentCall, agent: AgentAddress) => ErrorCode | undefined = () => undefined;
  /** Told of each change of a VM's state that was made. */
  onMove: (before: Vm, to: VmMove) => Promise<void> = async () => undefined;
  /** How often each kind of thing happened. */
  readonly counts = new Map<string, number>();
  /** Names of the runtimes that are built: VMs that are launched get them. */
  readonly runtimes = ['python'];
  /** The hands of somebody with `virsh`. */
  readonly hands: FakeHypervisor;
  bootMs = (): number => this.random.int(2_000, 6_000);
  hypervisorFault: (call: HypervisorCall, name: string) => CallFault | undefined = () => undefined;
  /** Asked at each write of the server to its store. */
  writeFault: () => TidepoolError | undefined = () => undefined;
  /** Asked at each read. */
  readFault: () => TidepoolError | undefined = () => undefined;
  /** Lines that were logged. */
  logged = 0;
  delivery: () => number | undefined = () => 0;
  readonly #lines: string[] = [];
  readonly #startMs: number;

  private constructor(seed: number, store: Store) {
    this.random = new Random(seed);
    this.isStoreSlow = this.random.chance(0.5);
    this.store = this.#watched(store);
    this.hands = this.connect();
    this.agents.onExecuting = (id) => this.#checkAlone(id);
    this.agents.fault = (call, agent, id) => this.#agentFault(call, agent, id);
    this.#startMs = this.clock.uptimeMs();
  }

  static async make(seed: number): Promise<World> {
    return new World(seed, remembering(await openSqliteStore(':memory:')));
  }

  /** A further connection to the host, by a server of the present version. */
  connect(): FakeHypervisor {
    const { upgrades } = this;
    const guest = {
      started: (machine: Machine, spec: MachineSpec) => this.#power(machine, spec, upgrades),
      suspended: (name: string) => this.#pause(name, true),
      resumed: (name: string) => this.#pause(name, false),
      stopped: (name: string) => this.#unplug(name),
    };
    return new FakeHypervisor({ clock: this.clock, host: this.host, guest });
  }

  /** From now on servers speak the next version of the agent's API, so that what was the present one is an old one. */
  async upgradeProtocol(): Promise<void> {
    this.upgrades += 1;
    for (const { name, state, reason, stateSinceMs, protocol } of await this.store.vms.list()) {
      if (protocol === null || isLeaving(state)) continue;
      const move = { state, reason, nowMs: stateSinceMs, facts: { protocol: protocol - 1 } };
      await this.store.vms.move(name, [state], move);
    }
  }

  count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  harm(name: string, how: string): void {
    this.count(how.replace(/\d+ ms/, 'N ms'));
    this.harmed.set(name, how);
    this.log(`HARM ${name}: ${how}`);
  }

  /** A call waits because others of its kind last: what it was for may fail by that. */
  queued(call: HypervisorCall, name: string): void {
    const isNeeded = call === 'create' || call === 'suspend' || call === 'resume';
    if (isNeeded || (call === 'get' && this.stands(name))) this.harm(name, `${call} waits for others`);
  }

  /** Whether the guest of a machine stands for lack of room on the host. */
  stands(name: string): boolean {
    return this.host.machines.get(name)?.isOutOfRoom === true;
  }

  /** As the sampler does: undefined while there are no statistics. */
  cpuWantedSince(name: string, sinceMs: number): number | undefined {
    if (this.sampledAtMs <= sinceMs) return undefined;
    const guest = this.guests.get(name);
    if (guest === undefined || guest.isPaused) return 0;
    return guest.isHung && (!guest.isUp || this.#isSilent(guest.address)) ? 0 : 0.5;
  }

  violated(what: string): void {
    this.violations.push(what);
    this.log(`VIOLATION ${what}`);
  }

  log(line: string): void {
    this.logged += 1;
    this.#lines.push(`${((this.clock.uptimeMs() - this.#startMs) / 1_000).toFixed(3)} ${line}`);
    if (this.#lines.length > 2 * keptLines) this.#lines.splice(0, keptLines);
  }

  /** What happened last, for a person who looks for the reason of a failure. */
  async report(): Promise<string> {
    const rows = (await this.store.vms.list()).map(({ name, state, reason }) => ({ name, state, reason }));
    const machines = [...this.host.machines.values()].map(({ name, state }) => ({ name, state }));
    const jobs = (await this.store.jobs.holdings()).map(({ jobId, worker, isRunning }) => ({
      jobId,
      worker,
      isRunning,
    }));
    return [...this.#lines.slice(-keptLines), inspect({ rows, machines, jobs }, { depth: 4 })].join('\n');
  }

  guestAt(address: AgentAddress): Guest | undefined {
    for (const guest of this.guests.values()) if (guest.address.port === address.port) return guest;
    return undefined;
  }

  #isSilent(address: AgentAddress): boolean {
    const guest = this.guestAt(address);
    return guest !== undefined && (guest.isPaused || this.clock.uptimeMs() < guest.silentUntilMs);
  }

  #agentFault(call: AgentCall, address: AgentAddress, attemptId: string): ErrorCode | undefined {
    const guest = this.guestAt(address);
    if (guest?.sickness === 'refuses' && call === 'run') {
      // That of a job which has failed elsewhere too is no strike.
      if (attemptId.endsWith('-1')) guest.refusals += 1;
      return 'internal';
    }
    if (guest?.sickness === 'babbles' && (call === 'run' || call === 'report' || call === 'remove')) return 'upstream';
    return this.agentTrouble(call, address);
  }

  /** No two attempts of one job execute at one time, wherever and whatever the control plane believes of their VMs. */
  #checkAlone(id: string): void {
    const job = jobOf(id);
    const others = this.agents.executing().filter((other) => other !== id && jobOf(other) === job);
    if (others.length > 0) this.violated(`${id} was started while ${others} executed`);
  }

  #power(machine: Machine, spec: MachineSpec, upgrades: number): void {
    const endpoint = machine.endpoints[0];
    const key = spec.secrets[agentSecretNames.key];
    if (endpoint === undefined || key === undefined) return;
    const address = { host: endpoint.host, port: endpoint.port, keyId: spec.tags.keyId, key };
    const well = { isUp: false, isPaused: false, silentUntilMs: 0, isHung: false, agent: undefined };
    const guest: Guest = { uuid: machine.uuid, address, ...well, sickness: undefined, refusals: 0 };
    this.guests.set(machine.name, guest);
    const warmAtMs = this.clock.uptimeMs() + 10_000 + this.random.int(0, 3_000);
    const isWarmingUp = (): boolean => this.clock.uptimeMs() < warmAtMs;
    const protocol = (): number => agentProtocol - (this.upgrades - upgrades);
    const come = (): void => {
      if (this.guests.get(machine.name) !== guest) return;
      if (guest.isPaused) {
        this.clock.after(1_000, come);
        return;
      }
      guest.isUp = true;
      // One that somebody made hang meanwhile goes on hanging.
      if (!this.#isSilent(address)) guest.isHung = false;
      guest.agent = this.agents.boot(address, {
        runtimes: spec.sharedDisks.map(({ path }) => path),
        capacity: { cpus: flavor.vcpus, memoryBytes: 4 * 1024 ** 3, diskBytes: 8 * 1024 ** 3, slots: 256 },
        get isWarmingUp() {
          return isWarmingUp();
        },
        get protocol() {
          return protocol();
        },
      });
    };
    const bootMs = this.bootMs();
    if (bootMs > toleratedBootMs) {
      this.harm(machine.name, `boots for ${bootMs} ms`);
      guest.isHung = this.random.chance(0.7);
    }
    this.clock.after(bootMs, come);
  }

  #pause(name: string, isPaused: boolean): void {
    const guest = this.guests.get(name);
    if (guest !== undefined) guest.isPaused = isPaused;
  }

  #unplug(name: string): void {
    const guest = this.guests.get(name);
    if (guest === undefined) return;
    this.guests.delete(name);
    this.agents.lose(guest.address);
  }

  /** The store, with eyes on what becomes of VMs. */
  #watched(store: Store): Store {
    const { vms } = store;
    const moved = async (before: Vm | undefined, to: VmMove): Promise<void> => {
      if (before === undefined) return;
      await this.onMove(before, to);
      if (to.state !== 'failed') return;
      this.count('VMs given up');
      if (this.clock.uptimeMs() < this.excusedUntilMs || this.harmed.has(before.name)) return;
      this.violated(`${before.name} was sound and was given up: ${to.reason}`);
    };
    return {
      ...store,
      vms: {
        ...vms,
        move: async (name, from, to) => {
          const before = await vms.get(name);
          const isMoved = await vms.move(name, from, to);
          if (isMoved) await moved(before, to);
          return isMoved;
        },
        moveIfIdle: async (name, from, to) => {
          const before = await vms.get(name);
          const isMoved = await vms.moveIfIdle(name, from, to);
          if (isMoved) await moved(before, to);
          return isMoved;
        },
        delete: async (name) => {
          const isDeleted = await vms.delete(name);
          if (isDeleted) {
            this.harmed.delete(name);
            this.deleted.delete(name);
          }
          return isDeleted;
        },
      },
    };
  }
}

/**
 * Resolves when no promise can go on any more: a tick comes after all microtasks. Nothing here waits for the event loop, so a
 * turn of it, which costs ten times as much, is not needed.
 */
function promisesSettled(): Promise<void> {
  return new Promise((resolve) => nextTick(resolve));
}

/** The job of an attempt, by the attempt's id. */
function jobOf(id: string): string {
  return id.slice(0, id.lastIndexOf('-'));
}
