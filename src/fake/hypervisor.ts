import type { Duplex } from 'node:stream';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import {
  type HostInfo,
  type HostRoom,
  type Hypervisor,
  type Machine,
  type MachineEvent,
  type MachineSpec,
  type MachineState,
  type MachineStats,
  nameTaken,
  type ProbeResult,
  type ProbeSpec,
} from '../domain/hypervisor.ts';
import { checkMachineSpec } from '../domain/machine-spec.ts';
import type { CallFault, HypervisorCall } from './call-fault.ts';
import { fakeConsole } from './console.ts';
import { FakeHost } from './host.ts';
import { type FakeLane, FakeLanes } from './lanes.ts';
import { FakeMachine } from './machine.ts';

/** What a machine's guest does, so that a fake agent can live and die with it. Every hook may be left out. */
export interface FakeGuest {
  started?(machine: Machine, spec: MachineSpec): void;
  suspended?(name: string): void;
  resumed?(name: string): void;
  /** Off, crashed or gone. */
  stopped?(name: string): void;
  /** What the guest prints on its console for a line that it is sent. */
  consoleLine?(name: string, line: string): string;
}

/** How long things take; 0 means that they do not wait at all. */
export interface FakeDelays {
  readonly createMs: number;
  readonly destroyMs: number;
  /** From the power button to the guest being off. */
  readonly shutdownMs: number;
}

export interface FakeHypervisorOptions {
  readonly clock: Clock;
  readonly installationId?: string;
  /** Shared by all connections to one host. */
  readonly host?: FakeHost;
  readonly guest?: FakeGuest;
  readonly delays?: Partial<FakeDelays>;
  /** Whether a file that a spec names is there; all are unless given. */
  fileExists?(path: string): boolean;
  /** Whether a probe's guest powers itself off; it does under `tcg` unless given. */
  probeBoots?(spec: ProbeSpec): boolean;
}

/**
 * The Hypervisor port in memory, with knobs for everything that goes wrong on a real host. It has the limits of the real one:
 * of lists and statistics, of calls that end machines, and of all others together at most four each are carried out at a time,
 * and later ones wait for them; too many are `exhausted`. A removal that is under way is shared by all who ask for it.
 */
export class FakeHypervisor implements Hypervisor {
  readonly uri = 'fake:///';
  readonly host: FakeHost;
  readonly #options: FakeHypervisorOptions;
  readonly #installationId: string;
  readonly #delays: FakeDelays;
  readonly #listeners = new Set<(event: MachineEvent) => void>();
  readonly #creating = new Set<string>();
  readonly #removing = new Map<string, Promise<void>>();
  readonly #lanes = new FakeLanes();
  readonly #nextFailures: TidepoolError[] = [];
  /** By machine: the last event of the time in which the connection was lost. */
  readonly #missed = new Map<string, MachineEvent>();
  #lost: string | undefined;

  constructor(options: FakeHypervisorOptions) {
    this.#options = options;
    this.#installationId = options.installationId ?? 'fake';
    this.#delays = { createMs: 0, destroyMs: 0, shutdownMs: 0, ...options.delays };
    this.host = options.host ?? new FakeHost();
    this.host.listen(this.#tell);
  }

  // The faults.

  /** Asked at each call; `name` is '' for lists. */
  fault: (call: HypervisorCall, name: string) => CallFault | undefined = () => undefined;

  /** Called when a call waits because four others of its lane last. */
  onQueued: (call: HypervisorCall, name: string) => void = () => undefined;

  /** How much later than usual an event arrives, in milliseconds; undefined when it is lost. */
  delivery: (event: MachineEvent) => number | undefined = () => 0;

  /** The next `create` fails with this, having done nothing. Called again, the one after it fails too. */
  failNextCreate(error: TidepoolError): void {
    this.#nextFailures.push(error);
  }

  /** Every call fails with `unavailable` and no event arrives until `reconnect`. Machines go on. */
  loseConnection(): void {
    this.#lost = 'the connection was lost';
  }

  /** Of what happened in between, only each machine's last state is told. */
  reconnect(): void {
    this.#lost = undefined;
    for (const event of this.#missed.values()) this.#emit(event);
    this.#missed.clear();
  }

  /** The guest stops to react: the power button does nothing. */
  hang(name: string): void {
    this.#any(name).hung = true;
  }

  /** QEMU dies, as by kill -9. */
  crash(name: string): void {
    this.#change(this.#any(name), 'crashed', 'crashed', 'failed');
  }

  /** The host's disk is full when the machine writes to it: QEMU pauses the guest. */
  pauseByError(name: string): void {
    const machine = this.#any(name);
    machine.isOutOfRoom = true;
    this.#change(machine, 'paused', 'suspended', 'I/O error');
  }

  /** Somebody pulls the plug by hand. */
  stopByHand(name: string): void {
    this.#change(this.#any(name), 'off', 'stopped', 'destroyed');
  }

  /** Somebody destroys and undefines it by hand. */
  vanish(name: string): void {
    const machine = this.#any(name);
    this.#change(machine, 'off', 'stopped', 'destroyed');
    this.#forget(machine);
  }

  /** The share of its vCPUs that a machine's guest uses from now on, 0 to 1. */
  setLoad(name: string, load: number): void {
    this.#any(name).setLoad(load, this.#options.clock.now());
  }

  // The port.

  async hostInfo(): Promise<HostInfo> {
    this.#checkConnection();
    return { name: 'fake', cpus: 8, memoryBytes: 32 * 1024 ** 3, hypervisor: 'QEMU 0.0.0', libvirt: '0.0.0' };
  }

  networkTrouble: Hypervisor['networkTrouble'] = async (network) => this.host.networkTrouble(network);

  async hostRoom(): Promise<HostRoom> {
    return this.#carryOut('room', '', () => this.host.room());
  }

  async list(): Promise<Machine[]> {
    return this.#carryOut('list', '', () => this.#own().map((machine) => machine.describe()));
  }

  async get(name: string): Promise<Machine | undefined> {
    return this.#carryOut('get', name, () => this.#find(name)?.describe());
  }

  async create(spec: MachineSpec): Promise<Machine> {
    this.#checkConnection();
    checkMachineSpec(spec);
    this.#checkFiles(spec);
    if (this.#creating.has(spec.name)) throw nameTaken(spec.name);
    this.#checkFree(spec.name);
    this.#creating.add(spec.name);
    try {
      await this.#wait(this.#delays.createMs);
      return await this.#carryOut('create', spec.name, () => {
        const failure = this.#nextFailures.shift();
        if (failure !== undefined) throw failure;
        this.#checkFree(spec.name);
        return this.#start(spec);
      });
    } finally {
      this.#creating.delete(spec.name);
    }
  }

  async suspend(name: string): Promise<void> {
    const machine = this.#inState(name, 'running');
    await this.#carryOut('suspend', name, () => {
      mustBe(machine, 'running');
      this.#change(machine, 'paused', 'suspended', 'paused');
    });
  }

  async resume(name: string): Promise<void> {
    const machine = this.#inState(name, 'paused');
    await this.#carryOut('resume', name, () => {
      mustBe(machine, 'paused');
      this.#change(machine, 'running', 'resumed', 'unpaused');
    });
  }

  async shutdown(name: string): Promise<void> {
    const machine = this.#inState(name, 'running');
    const powerOff = (): void => {
      if (!machine.hung && machine.state === 'running') this.#change(machine, 'off', 'stopped', 'shutdown');
    };
    this.#options.clock.after(this.#delays.shutdownMs, powerOff);
  }

  async destroy(name: string): Promise<void> {
    const machine = this.#mustFind(name);
    await this.#carryOut('destroy', name, () => this.#pullPlug(machine));
  }

  async remove(name: string): Promise<void> {
    this.#checkConnection();
    if (this.#creating.has(name)) throw new TidepoolError('conflict', `machine ${name} is being created`);
    const removal = this.#removing.get(name) ?? this.#remove(name).finally(() => this.#removing.delete(name));
    this.#removing.set(name, removal);
    await removal;
  }

  async #remove(name: string): Promise<void> {
    const machine = this.#find(name);
    await this.#carryOut('remove', name, async () => {
      if (machine === undefined) return;
      await this.#pullPlug(machine);
      // Another connection may remove the machine at the same time.
      if (this.host.machines.get(name) === machine) this.#forget(machine);
    });
  }

  stats(): Promise<MachineStats[]> {
    return this.#carryOut('stats', '', () => {
      const nowMs = this.#options.clock.now();
      return this.#own().map((machine) => machine.stats(nowMs));
    });
  }

  onEvent(listener: (event: MachineEvent) => void): () => void {
    const own = (event: MachineEvent): void => listener(event);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  async openConsole(name: string): Promise<Duplex> {
    const machine = this.#mustFind(name);
    if (machine.isOff) throw new TidepoolError('conflict', `machine ${name} is ${machine.state}`);
    return fakeConsole((line) => this.#options.guest?.consoleLine?.(name, line) ?? '');
  }

  async probe(spec: ProbeSpec): Promise<ProbeResult> {
    this.#checkConnection();
    const { clock, probeBoots } = this.#options;
    const startedAtMs = clock.now();
    const booted = probeBoots?.(spec) ?? spec.accelerator === 'tcg';
    if (!booted) await this.#wait(spec.timeoutMs);
    const reason = booted ? '' : `it had not powered itself off after ${spec.timeoutMs} ms`;
    return { booted, elapsedMs: clock.now() - startedAtMs, reason };
  }

  async close(): Promise<void> {
    this.#lost = 'it was closed by Tidepool';
    this.#listeners.clear();
    this.host.unlisten(this.#tell);
  }

  async #pullPlug(machine: FakeMachine): Promise<void> {
    if (machine.isOff) return;
    await this.#wait(this.#delays.destroyMs);
    this.#checkConnection();
    this.#change(machine, 'off', 'stopped', 'destroyed');
  }

  #start(spec: MachineSpec): Machine {
    const machine = new FakeMachine(spec, this.#installationId, this.#options.clock.now(), () => this.host.nextPort());
    this.host.machines.set(spec.name, machine);
    this.#change(machine, 'running', 'started', 'booted');
    const description = machine.describe();
    this.#options.guest?.started?.(description, spec);
    return description;
  }

  #change(machine: FakeMachine, state: MachineState, kind: MachineEvent['kind'], detail: string): void {
    if (machine.state === state) return;
    machine.setState(state, this.#options.clock.now());
    const { guest } = this.#options;
    if (state === 'paused') guest?.suspended?.(machine.name);
    else if (machine.isOff) guest?.stopped?.(machine.name);
    else if (kind === 'resumed') guest?.resumed?.(machine.name);
    this.host.tell(machine.installationId, { name: machine.name, kind, detail });
  }

  #forget(machine: FakeMachine): void {
    this.host.machines.delete(machine.name);
    this.host.tell(machine.installationId, { name: machine.name, kind: 'gone', detail: 'removed' });
  }

  readonly #tell = (installationId: string, event: MachineEvent): void => {
    if (installationId !== this.#installationId) return;
    if (this.#lost === undefined) this.#emit(event);
    else this.#missed.set(event.name, event);
  };

  /** After the present call, as news of another process arrive. */
  #emit(event: MachineEvent): void {
    const listeners = [...this.#listeners];
    const tell = (): void => {
      for (const listener of listeners) listener(event);
    };
    const lateMs = this.delivery(event);
    if (lateMs === 0) queueMicrotask(tell);
    else if (lateMs !== undefined) this.#options.clock.after(lateMs, tell);
  }

  /**
   * Every call goes through this: it waits for a place, and then waits and fails as it is made to. Which machine is meant is
   * settled before, as on a real host, where a name is looked up first: another machine may have the name by the time a late
   * call has its effect.
   */
  async #carryOut<T>(call: HypervisorCall, name: string, work: () => T | Promise<T>): Promise<T> {
    this.#checkConnection();
    const leave = await this.#lanes.enter(laneOf(call), () => this.onQueued(call, name));
    try {
      const fault = this.fault(call, name);
      if (fault !== undefined) {
        await this.#wait(fault.waitMs ?? 0);
        this.#checkConnection();
        if (fault.error !== undefined) throw fault.error;
      }
      const answer = await work();
      if (fault?.answerMs !== undefined) {
        await this.#wait(fault.answerMs);
        this.#checkConnection();
      }
      if (fault?.answerError !== undefined) throw fault.answerError;
      return answer;
    } finally {
      leave();
    }
  }

  #checkFree(name: string): void {
    if (this.host.machines.has(name)) throw nameTaken(name);
  }

  #checkConnection(): void {
    if (this.#lost === undefined) return;
    throw new TidepoolError('unavailable', `the connection to the hypervisor at ${this.uri} ended: ${this.#lost}`);
  }

  #checkFiles({ boot, imagePath, sharedDisks }: MachineSpec): void {
    const files = [boot.kernelPath, boot.initrdPath, imagePath, ...sharedDisks.map(({ path }) => path)];
    const missing = files.find((file) => this.#options.fileExists?.(file) === false);
    if (missing !== undefined) throw new TidepoolError('invalid', `${missing} is missing or cannot be read`);
  }

  #own(): FakeMachine[] {
    return [...this.host.machines.values()].filter((machine) => machine.installationId === this.#installationId);
  }

  #find(name: string): FakeMachine | undefined {
    return this.#own().find((machine) => machine.name === name);
  }

  #mustFind(name: string): FakeMachine {
    this.#checkConnection();
    const machine = this.#find(name);
    if (machine === undefined) throw new TidepoolError('not_found', `there is no machine ${name} at ${this.uri}`);
    return machine;
  }

  #inState(name: string, wanted: MachineState): FakeMachine {
    const machine = this.#mustFind(name);
    mustBe(machine, wanted);
    return machine;
  }

  /** For the knobs: a test that turns one on a machine that is not there is wrong. */
  #any(name: string): FakeMachine {
    const machine = this.host.machines.get(name);
    if (machine === undefined) throw new TidepoolError('internal', `the fake host has no machine ${name}`);
    return machine;
  }

  async #wait(ms: number): Promise<void> {
    if (ms > 0) await this.#options.clock.sleep(ms);
  }
}

function mustBe(machine: FakeMachine, wanted: MachineState): void {
  if (machine.state === wanted) return;
  throw new TidepoolError('conflict', `machine ${machine.name} is ${machine.state}, not ${wanted}`);
}

function laneOf(call: HypervisorCall): FakeLane {
  if (call === 'list' || call === 'stats' || call === 'room') return 'look';
  return call === 'destroy' || call === 'remove' ? 'end' : 'make';
}
