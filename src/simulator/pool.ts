import type { CpuSample, VmSnapshot } from '../domain/scaling.ts';
import { nextVmName } from '../pool/names.ts';
import { type PoolAction, steer } from '../pool/steer.ts';

interface SimulatedVm {
  readonly name: string;
  state: 'booting' | 'ready' | 'draining';
  stateSinceMs: number;
  readonly createdAtMs: number;
  /** Requests in work; a mean, so mostly not whole. */
  inFlight: number;
  readonly samples: CpuSample[];
}

export interface SimulatedPoolOptions {
  readonly bootMs: number;
  readonly maxParallelLaunches: number;
  /** Requests a second that one VM serves. */
  readonly vmCapacity: number;
}

/** What was done to a VM, and what it had in work then. */
export interface Steered {
  readonly kind: PoolAction['kind'];
  readonly jobs: number;
}

/** Nothing else happens to simulated VMs. */
const usual = { isOutdated: false, isUnwanted: false, boot: 'going', step: null } as const;
/** No policy looks further back. */
const keptSamples = 600;

/**
 * VMs that only take time: to boot, and to finish what they have in work when drained. Which of them are launched and
 * drained is decided by the pool's own `steer`, as it is live.
 */
export class SimulatedPool {
  readonly #options: SimulatedPoolOptions;
  #vms: SimulatedVm[] = [];
  #bootMs: number | null = null;

  constructor(options: SimulatedPoolOptions) {
    this.#options = options;
  }

  get vms(): readonly VmSnapshot[] {
    return this.#vms.map((vm) => ({ ...vm }));
  }

  get ready(): number {
    return this.#vms.filter((vm) => vm.state === 'ready').length;
  }

  get booting(): number {
    return this.#vms.filter((vm) => vm.state === 'booting').length;
  }

  /** All that take memory of a host: booting, ready and draining. */
  get size(): number {
    return this.#vms.length;
  }

  /** What the last boot took; null before the first. */
  get bootMs(): number | null {
    return this.#bootMs;
  }

  /** So many VMs are there, ready, and have been for a while. */
  begin(vms: number, nowMs: number): void {
    for (let i = 0; i < vms; i += 1) this.#add('ready', nowMs);
  }

  /** One step towards the wanted number. */
  steer(desired: number, nowMs: number): readonly Steered[] {
    const steered = this.#vms.map((vm) => ({ ...vm, jobs: vm.inFlight, ...usual }));
    const { maxParallelLaunches } = this.#options;
    const actions = steer(steered, { desired, warm: 0, maxParallelLaunches, minLifetimeMs: 0, mayLaunch: true }, nowMs);
    return actions.map((action) => {
      const vm = action.kind === 'launch' ? undefined : this.#vms.find(({ name }) => name === action.name);
      const done = { kind: action.kind, jobs: vm?.inFlight ?? 0 };
      this.#act(action, nowMs);
      return done;
    });
  }

  /** Time went on: boots end, and VMs that drain work off what they have. */
  advance(nowMs: number, seconds: number): void {
    for (const vm of this.#vms) {
      if (vm.state === 'draining') vm.inFlight = Math.max(0, vm.inFlight - seconds * this.#options.vmCapacity);
      if (vm.state !== 'booting' || nowMs - vm.createdAtMs < this.#options.bootMs) continue;
      this.#bootMs = nowMs - vm.createdAtMs;
      vm.state = 'ready';
      vm.stateSinceMs = nowMs;
    }
  }

  /** The VMs in service were used this much in the second that ends now. `isSeen` false: the sample is lost. */
  work(cpu: number, nowMs: number, isSeen: (name: string) => boolean = () => true): void {
    for (const vm of this.#vms) {
      if (vm.state !== 'ready') continue;
      vm.inFlight = cpu;
      if (!isSeen(vm.name)) continue;
      vm.samples.push({ atMs: nowMs, cpu });
      if (vm.samples.length >= 2 * keptSamples) vm.samples.splice(0, keptSamples);
    }
  }

  /** A fault: the VM is gone with what it had in work. */
  crash(name: string): void {
    this.#vms = this.#vms.filter((vm) => vm.name !== name);
  }

  #act(action: PoolAction, nowMs: number): void {
    if (action.kind === 'launch') {
      this.#add('booting', nowMs);
      return;
    }
    if (action.kind === 'stop') {
      this.crash(action.name);
      return;
    }
    const vm = this.#vms.find((candidate) => candidate.name === action.name);
    if (vm === undefined) return;
    vm.state = action.kind === 'drain' ? 'draining' : 'ready';
    vm.stateSinceMs = nowMs;
  }

  #add(state: 'booting' | 'ready', nowMs: number): void {
    const name = nextVmName('vm', new Set(this.#vms.map((vm) => vm.name)));
    this.#vms.push({ name, state, stateSinceMs: nowMs, createdAtMs: nowMs, inFlight: 0, samples: [] });
  }
}
