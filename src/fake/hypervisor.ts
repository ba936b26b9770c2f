import { Duplex } from 'node:stream';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type {
  HostInfo,
  Hypervisor,
  Machine,
  MachineEvent,
  MachineSpec,
  MachineState,
  MachineStats,
  ProbeResult,
  ProbeSpec,
} from '../domain/hypervisor.ts';
import { checkMachineSpec } from '../domain/machine-spec.ts';
import { FakeHost } from './host.ts';
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

/** Every call about machines that can be made to fail or to last. */
export type HypervisorCall = 'list' | 'get' | 'create' | 'suspend' | 'resume' | 'destroy' | 'remove';

/** What goes wrong in a call: it waits, without end for Infinity; then it fails, or has its effect late. */
export interface CallFault {
  readonly waitMs?: number;
  readonly error?: TidepoolError;
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

/** The Hypervisor port in memory, with knobs for everything that goes wrong on a real host. */
export class FakeHypervisor implements Hypervisor {
  readonly uri = 'fake:///';
  readonly host: FakeHost;
  readonly #options: FakeHypervisorOptions;
  readonly #installationId: string;
  readonly #delays: FakeDelays;
  readonly #listeners = new Set<(event: MachineEvent) => void>();
  readonly #creating = new Set<string>();
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

  async list(): Promise<Machine[]> {
    await this.#begin('list', '');
    return this.#own().map((machine) => machine.describe());
  }

  async get(name: string): Promise<Machine | undefined> {
    await this.#begin('get', name);
    return this.#find(name)?.describe();
  }

  async create(spec: MachineSpec): Promise<Machine> {
    this.#checkConnection();
    checkMachineSpec(spec);
    this.#checkFiles(spec);
    if (this.#creating.has(spec.name)) throw taken(spec.name);
    this.#checkFree(spec.name);
    this.#creating.add(spec.name);
    try {
      await this.#wait(this.#delays.createMs);
      await this.#begin('create', spec.name);
      const failure = this.#nextFailures.shift();
      if (failure !== undefined) throw failure;
      this.#checkFree(spec.name);
      return this.#start(spec);
    } finally {
      this.#creating.delete(spec.name);
    }
  }

  async suspend(name: string): Promise<void> {
    const machine = this.#inState(name, 'running');
    await this.#begin('suspend', name);
    mustBe(machine, 'running');
    this.#change(machine, 'paused', 'suspended', 'paused');
  }

  async resume(name: string): Promise<void> {
    const machine = this.#inState(name, 'paused');
    await this.#begin('resume', name);
    mustBe(machine, 'paused');
    this.#change(machine, 'running', 'resumed', 'unpaused');
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
    await this.#begin('destroy', name);
    await this.#pullPlug(machine);
  }

  async remove(name: string): Promise<void> {
    this.#checkConnection();
    if (this.#creating.has(name)) throw new TidepoolError('conflict', `machine ${name} is being created`);
    const machine = this.#find(name);
    await this.#begin('remove', name);
    if (machine === undefined) return;
    await this.#pullPlug(machine);
    // Two calls may remove one machine at the same time.
    if (this.host.machines.get(name) === machine) this.#forget(machine);
  }

  async stats(): Promise<MachineStats[]> {
    this.#checkConnection();
    return this.#own().map((machine) => machine.stats(this.#options.clock.now()));
  }

  onEvent(listener: (event: MachineEvent) => void): () => void {
    const own = (event: MachineEvent): void => listener(event);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  async openConsole(name: string): Promise<Duplex> {
    const machine = this.#mustFind(name);
    if (machine.isOff) throw new TidepoolError('conflict', `machine ${name} is ${machine.state}`);
    return this.#console(name);
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

  #console(name: string): Duplex {
    const { guest } = this.#options;
    return new Duplex({
      allowHalfOpen: false,
      read: () => undefined,
      write(chunk: Buffer, _encoding, done) {
        for (const line of chunk.toString().split('\n').slice(0, -1)) {
          this.push(`${line}\r\n${guest?.consoleLine?.(name, line) ?? ''}\r\n`);
        }
        done();
      },
    });
  }

  /**
   * Every call goes through this: it waits and fails as it is made to. What machine is meant is settled before, as on a
   * real host, where a name is looked up first: another machine may have the name by the time a late call has its effect.
   */
  async #begin(call: HypervisorCall, name: string): Promise<void> {
    this.#checkConnection();
    const fault = this.fault(call, name);
    if (fault === undefined) return;
    await this.#wait(fault.waitMs ?? 0);
    this.#checkConnection();
    if (fault.error !== undefined) throw fault.error;
  }

  #checkFree(name: string): void {
    if (this.host.machines.has(name)) throw taken(name);
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

function taken(name: string): TidepoolError {
  return new TidepoolError('conflict', `there is a domain named ${name} already`);
}
