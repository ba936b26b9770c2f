import { defaultLaunchReserve } from '../../src/domain/disk.ts';
import { defaultFlavors } from '../../src/domain/flavor.ts';
import type { PoolSettings } from '../../src/domain/pool.ts';
import { unlimitedStorage } from '../../src/domain/storage.ts';
import { joinedPool } from '../../src/domain/worker.ts';
import type { FakeHypervisor } from '../../src/fake/hypervisor.ts';
import { JobController } from '../../src/jobs/controller.ts';
import { defaultUserRules, type SchedulingRules } from '../../src/jobs/rules.ts';
import { sweepWorkers } from '../../src/jobs/sweep.ts';
import { Admission } from '../../src/pool/admission.ts';
import type { PoolContext } from '../../src/pool/context.ts';
import { PoolController } from '../../src/pool/controller.ts';
import { jobsWorkload } from '../../src/pool/workload.ts';
import { Changes } from '../../src/reconcile/changes.ts';
import { type Loop, startLoop } from '../../src/reconcile/loop.ts';
import { watchedHypervisor } from './eyes.ts';
import { type Life, mortal } from './mortal.ts';
import { builtRuntime, image, noArchives, onlyPython } from './parts.ts';
import { flavor, poolName, type World } from './world.ts';

export interface ServerOptions {
  readonly settings: PoolSettings;
  readonly maxParallelLaunches: number;
  readonly minLifetimeMs: number;
  /** Tries of a job; many unless given, since workers are lost often here. */
  readonly maxAttempts?: number;
  /** Of the image that new VMs are made of, if it is another one than usual. */
  readonly imageId?: string;
}

const usualMaxAttempts = 1_000;

const rules: SchedulingRules = {
  placement: 'pack',
  halfLifeMs: 3_600_000,
  maxWaitMs: 600_000,
  userRules: () => defaultUserRules,
};

/** One process of the control plane: a pool's controller and the jobs' on the fake host. */
export class SimServer {
  readonly pool: PoolController;
  readonly changes = new Changes();
  readonly hypervisor: FakeHypervisor;
  readonly #life: Life = { isOver: false };
  readonly jobs: JobController;
  readonly #world: World;
  readonly #sweep: () => Loop;
  readonly #sample: () => Loop;
  #sweepLoop: Loop | undefined;
  #sampleLoop: Loop | undefined;

  constructor(world: World, options: ServerOptions) {
    this.#world = world;
    this.hypervisor = world.connect();
    this.hypervisor.fault = (call, name) => world.hypervisorFault(call, name);
    this.hypervisor.delivery = () => world.delivery();
    this.hypervisor.onQueued = (call, name) => world.queued(call, name);
    const life = this.#life;
    const clock = mortal(world.clock, life);
    const store = mortal(slow(world.store, world), life);
    const link = mortal(world.link, life);
    const log = (line: string): void => world.log(line);
    const context: PoolContext = {
      pool: { name: poolName, prefix: poolName, flavor, ...options },
      hypervisor: mortal(watchedHypervisor(this.hypervisor, world), life),
      link,
      store,
      clock,
      changes: this.changes,
      image: { ...image, id: options.imageId ?? image.id },
      runtimes: { ...onlyPython, list: async () => world.runtimes.map(builtRuntime) },
      accelerator: 'tcg',
      network: { kind: 'user' },
      workload: jobsWorkload,
      awaitedRuntimes: () => this.jobs.awaitedRuntimes,
      cpuWantedSince: (name, sinceMs) => world.cpuWantedSince(name, sinceMs),
      log,
    };
    const admission = new Admission({
      hypervisor: context.hypervisor,
      clock,
      reserve: { memoryBytes: 1024 ** 3, disk: defaultLaunchReserve },
      onAnswer: () => this.changes.notify('room'),
    });
    this.pool = new PoolController({ ...context, admission });
    const jobs = {
      store,
      link,
      clock,
      changes: this.changes,
      blobs: world.blobs,
      logs: mortal(slow(world.logs, world), life),
    };
    const jobContext = {
      ...jobs,
      archives: noArchives,
      storage: unlimitedStorage,
      runtimes: onlyPython,
      hasPip: false,
      flavors: defaultFlavors,
      maxAttempts: options.maxAttempts ?? usualMaxAttempts,
      rules,
      workerPools: new Set([poolName, joinedPool]),
      log,
    };
    this.jobs = new JobController(jobContext);
    const step = (signal: AbortSignal): Promise<void> => sweepWorkers(jobContext, signal);
    this.#sweep = () =>
      startLoop({ name: 'sweep', clock, periodMs: 30_000, step, onError: (error) => log(`sweep: ${error}`) });
    const sampling = mortal({ stats: () => this.hypervisor.stats() }, life);
    const sample = async (): Promise<void> => {
      await sampling.stats();
      world.sampledAtMs = world.clock.uptimeMs();
    };
    this.#sample = () =>
      startLoop({ name: 'sampling', clock, periodMs: 1_000, step: sample, onError: () => undefined });
  }

  async start(): Promise<void> {
    await this.pool.start();
    this.jobs.start();
    this.#sweepLoop = this.#sweep();
    this.#sampleLoop = this.#sample();
  }

  /** As on a signal: lets go of everything in its order. Needs the clock to go on. */
  async stop(): Promise<void> {
    await this.#sweepLoop?.stop();
    await this.#sampleLoop?.stop();
    await this.jobs.stop();
    await this.pool.stop();
    await this.hypervisor.close();
    this.#life.isOver = true;
  }

  /** As by kill -9: what it had begun on the host goes on without it. */
  kill(): void {
    this.#life.isOver = true;
    this.#world.log('KILLED');
  }
}

const writes = new Set<string | symbol>([
  ...['insert', 'move', 'moveIfIdle', 'delete', 'put', 'putNote', 'append', 'learn'],
  ...['assign', 'markRunning', 'finish', 'requeue', 'cancel', 'reject'],
]);
/** A VM that is on its way into service when a change of it cannot be written down may be given up for that. */
const comesInto: readonly string[] = ['creating', 'booting', 'warm'];

/** A store that is now and then a few milliseconds away, so that other things happen while it is asked; it may refuse. */
function slow<Part extends object>(store: Part, world: World): Part {
  const { clock, random, isStoreSlow } = world;
  const pause = async (): Promise<void> => {
    if (isStoreSlow && random.chance(0.1)) await clock.sleep(random.int(0, 20));
  };
  const refuse = async (key: string | symbol, about: unknown): Promise<void> => {
    const isWrite = writes.has(key);
    const refusal = isWrite ? world.writeFault() : world.readFault();
    if (refusal === undefined) return;
    world.count(isWrite ? 'writes refused' : 'reads failed');
    const vm = typeof about === 'string' ? await world.store.vms.get(about) : undefined;
    if (vm !== undefined && comesInto.includes(vm.state)) world.harm(vm.name, 'it cannot be written down');
    throw refusal;
  };
  const slowed = <T extends object>(part: T): T =>
    new Proxy(part, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value === 'object' && value !== null) return slowed(value);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          await pause();
          await refuse(key, args[0]);
          const result: unknown = await Reflect.apply(value, target, args);
          await pause();
          return result;
        };
      },
    });
  return slowed(store);
}
