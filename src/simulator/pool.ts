import type { Machine } from '../domain/hypervisor.ts';
import type { Image, RuntimeShelf } from '../domain/image.ts';
import type { CpuSample, VmSnapshot } from '../domain/scaling.ts';
import type { Vm } from '../domain/vm.ts';
import { FakeClock } from '../fake/clock.ts';
import { FakeHypervisor } from '../fake/hypervisor.ts';
import type { Pace, PoolConfig, PoolContext } from '../pool/context.ts';
import { PoolController } from '../pool/controller.ts';
import { launchVm } from '../pool/launch.ts';
import { jobsWorkload } from '../pool/workload.ts';
import { agentProtocol } from '../protocol/agent.ts';
import { Changes } from '../reconcile/changes.ts';
import { SimulatedAgents } from './agents.ts';
import { MemoryRecords } from './records.ts';

export interface SimulatedPoolOptions {
  /** VMs that are in service at the start. */
  readonly vms: number;
  readonly min: number;
  readonly max: number;
  readonly startMs: number;
  readonly bootMs: number;
  readonly maxParallelLaunches: number;
  /** Requests a second that one VM serves. */
  readonly vmCapacity: number;
}

/** What a VM does, beside what its pool knows of it. */
interface Load {
  /** Tells VMs of the same name apart. */
  readonly keyId: string;
  /** Requests in work; a mean, so mostly not whole. */
  inFlight: number;
  readonly samples: CpuSample[];
}

/** No policy looks further back. */
const keptSamples = 600;
/**
 * Nothing happens here of which the pool is not told: it need not look for it by itself. So a day takes seconds, and
 * goes as it would at the usual pace (pace.test.ts).
 */
const pace: Pace = { steerMs: 60_000, compareMs: 600_000, heartbeatMs: 600_000 };
const flavor = { name: 'simulated', vcpus: 1, memoryMiB: 1, diskGiB: 1 };
const image: Image = {
  id: 'simulated',
  diskPath: '',
  kernelPath: '',
  initrdPath: '',
  commandLine: '',
  sizeBytes: 0,
  createdAtMs: 0,
};

const noRuntimes: RuntimeShelf = {
  list: async () => [],
  names: async () => [],
  want: async () => undefined,
  wantLayered: async () => undefined,
  isRemoved: async () => false,
  image: async () => null,
};

/** The pool's own controller, on VMs that only take time: to boot, and to finish what they have in work when drained. */
export class SimulatedPool {
  readonly #options: SimulatedPoolOptions;
  readonly #clock: FakeClock;
  readonly #records = new MemoryRecords();
  readonly #changes = new Changes();
  readonly #agents: SimulatedAgents;
  readonly #hypervisor: FakeHypervisor;
  readonly #controller: PoolController;
  readonly #loads = new Map<string, Load>();
  #isBegun = false;

  private constructor(options: SimulatedPoolOptions, usedPace: Pace) {
    this.#options = options;
    this.#clock = new FakeClock(options.startMs);
    this.#agents = new SimulatedAgents(this.#clock);
    const guest = {
      started: ({ tags }: Machine) => this.#agents.boot(tags.keyId, this.nowMs + (this.#isBegun ? options.bootMs : 0)),
      stopped: (name: string) => this.#stopped(name),
    };
    this.#hypervisor = new FakeHypervisor({ clock: this.#clock, guest });
    this.#controller = new PoolController(this.#context(usedPace));
  }

  /** A pool whose first VMs are ready, and have been for a while. @param usedPace another than the simulator's, for tests */
  static async begin(options: SimulatedPoolOptions, usedPace: Pace = pace): Promise<SimulatedPool> {
    const pool = new SimulatedPool(options, usedPace);
    await pool.#start();
    return pool;
  }

  get nowMs(): number {
    return this.#clock.now();
  }

  get vms(): readonly VmSnapshot[] {
    const vms: VmSnapshot[] = [];
    for (const { name, state, stateSinceMs, keyId } of this.#records.rows.values()) {
      const { inFlight, samples } = this.#loadOf(name, keyId);
      vms.push({ name, state, stateSinceMs, inFlight, samples });
    }
    return vms;
  }

  get ready(): number {
    return this.#count('ready');
  }

  get booting(): number {
    return this.#count('creating') + this.#count('booting');
  }

  /** All that take memory of a host: booting, ready and draining. */
  get size(): number {
    return this.#records.rows.size;
  }

  get desired(): number {
    return this.#controller.size.desired;
  }

  /** What boots took; null before the first. */
  get bootMs(): number | null {
    return this.#controller.bootMs;
  }

  /** Wants so many VMs in service, and lets the pool do what it can do at once. */
  async scale(desired: number, why: string): Promise<void> {
    await this.#controller.scale(desired, why);
    await this.#clock.advance(0);
  }

  /**
   * A second goes by in which the VMs in service are used this much. Nothing to wait for is given when nothing happened.
   * @param isSeen false: the sample of that VM is lost
   */
  second(cpu: number, isSeen: (name: string) => boolean = () => true): Promise<void> | undefined {
    const inService = [...this.#records.rows.values()].filter((vm) => vm.state === 'ready');
    if (this.#clock.skip(1_000)) return this.#work(inService, cpu, isSeen);
    return this.#clock.advance(1_000).then(() => this.#work(inService, cpu, isSeen));
  }

  /** A fault: the VM is gone with what it had in work. */
  async crash(name: string): Promise<void> {
    this.#hypervisor.crash(name);
    await this.#clock.advance(0);
  }

  async end(): Promise<void> {
    const ended = this.#controller.stop();
    await this.#clock.advance(1_000);
    await ended;
  }

  async #start(): Promise<void> {
    const { vms, max } = this.#options;
    const context = this.#context(pace);
    for (let i = 0; i < vms; i += 1) await launchVm(context, `vm-${String(i).padStart(4, '0')}`);
    for (const vm of this.#records.rows.values()) {
      const facts = { protocol: agentProtocol, capacity: { cpus: 1, memoryBytes: 1, diskBytes: 1, slots: 1 } };
      await this.#records.vms.move(vm.name, ['booting'], { state: 'ready', reason: '', nowMs: this.nowMs, facts });
    }
    await this.#records.pools.put({ name: 'simulated', desired: Math.min(vms, max), overrides: {} });
    await this.#clock.advance(0);
    this.#isBegun = true;
    await this.#controller.start();
    await this.#clock.advance(0);
  }

  #context(usedPace: Pace): PoolContext {
    const { min, max, maxParallelLaunches } = this.#options;
    const settings = { min, max, warm: 0, paused: false, policies: [] };
    const pool: PoolConfig = {
      ...{ name: 'simulated', prefix: 'vm', flavor, settings, maxParallelLaunches, minLifetimeMs: 0 },
    };
    return {
      pool,
      hypervisor: this.#hypervisor,
      link: this.#agents,
      store: this.#records,
      clock: this.#clock,
      changes: this.#changes,
      image,
      runtimes: noRuntimes,
      accelerator: 'tcg',
      network: { kind: 'user' },
      workload: { ...jobsWorkload, inFlight: (vm) => this.#loadOf(vm.name, vm.keyId).inFlight },
      pace: usedPace,
      cpuWantedSince: () => undefined,
      log: () => undefined,
    };
  }

  #stopped(name: string): void {
    const vm = this.#records.rows.get(name);
    if (vm !== undefined) this.#agents.end(vm.keyId);
    this.#loads.delete(name);
  }

  #loadOf(name: string, keyId: string): Load {
    let load = this.#loads.get(name);
    if (load?.keyId !== keyId) {
      load = { keyId, inFlight: 0, samples: [] };
      this.#loads.set(name, load);
    }
    return load;
  }

  #work(inService: readonly Vm[], cpu: number, isSeen: (name: string) => boolean): Promise<void> | undefined {
    const atMs = this.#clock.now();
    for (const { name, keyId } of inService) {
      if (this.#records.rows.get(name)?.keyId !== keyId) continue;
      const load = this.#loadOf(name, keyId);
      load.inFlight = cpu;
      if (!isSeen(name)) continue;
      load.samples.push({ atMs, cpu });
      if (load.samples.length >= 2 * keptSamples) load.samples.splice(0, keptSamples);
    }
    if (!this.#finishDrains()) return undefined;
    this.#changes.notify('queue');
    return this.#clock.advance(0);
  }

  /** VMs that drain work off what they have. Returns whether one has nothing left. */
  #finishDrains(): boolean {
    let isOver = false;
    for (const vm of this.#records.rows.values()) {
      if (vm.state !== 'draining') continue;
      const load = this.#loadOf(vm.name, vm.keyId);
      load.inFlight = Math.max(0, load.inFlight - this.#options.vmCapacity);
      isOver ||= load.inFlight === 0;
    }
    return isOver;
  }

  #count(state: Vm['state']): number {
    let count = 0;
    for (const vm of this.#records.rows.values()) if (vm.state === state) count += 1;
    return count;
  }
}
