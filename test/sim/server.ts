import { defaultLaunchReserve } from '../../src/domain/disk.ts';
import { defaultFlavors } from '../../src/domain/flavor.ts';
import type { PoolSettings } from '../../src/domain/pool.ts';
import { unlimitedStorage } from '../../src/domain/storage.ts';
import type { Store } from '../../src/domain/store.ts';
import type { FakeHypervisor } from '../../src/fake/hypervisor.ts';
import { JobController } from '../../src/jobs/controller.ts';
import { defaultUserRules, type SchedulingRules } from '../../src/jobs/rules.ts';
import { sweepWorkers } from '../../src/jobs/sweep.ts';
import { Admission } from '../../src/pool/admission.ts';
import type { PoolContext } from '../../src/pool/context.ts';
import { PoolController } from '../../src/pool/controller.ts';
import type { PoolHypervisor } from '../../src/pool/limited-hypervisor.ts';
import { jobsWorkload } from '../../src/pool/workload.ts';
import { Changes } from '../../src/reconcile/changes.ts';
import { type Loop, startLoop } from '../../src/reconcile/loop.ts';
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
      hypervisor: mortal(watched(this.hypervisor, world), life),
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
    const jobs = { store, link, clock, changes: this.changes, blobs: world.blobs, logs: mortal(world.logs, life) };
    const jobContext = {
      ...jobs,
      archives: noArchives,
      storage: unlimitedStorage,
      runtimes: onlyPython,
      hasPip: false,
      flavors: defaultFlavors,
      maxAttempts: options.maxAttempts ?? usualMaxAttempts,
      rules,
      workerPools: new Set([poolName]),
      log,
    };
    this.jobs = new JobController(jobContext);
    const step = (): Promise<void> => sweepWorkers(jobContext);
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
  'insert',
  'move',
  'moveIfIdle',
  'delete',
  'put',
  'append',
  'learn',
  'putNote',
]);
/** Calls that came later than the seeds that are kept, whose course they must not change. */
const prompt = new Set<string | symbol>(['note', 'putNote', 'learn', 'all']);

/** A store that is now and then a few milliseconds away, so that other things happen while it is asked; it may refuse writes. */
function slow(store: Store, world: World): Store {
  const { clock, random, isStoreSlow } = world;
  const pause = async (): Promise<void> => {
    if (isStoreSlow && random.chance(0.1)) await clock.sleep(random.int(0, 20));
  };
  const slowed = <T extends object>(part: T): T =>
    new Proxy(part, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value === 'object' && value !== null) return slowed(value);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          if (!prompt.has(key)) await pause();
          const refusal = writes.has(key) ? world.writeFault() : undefined;
          if (refusal !== undefined) throw refusal;
          const result: unknown = await Reflect.apply(value, target, args);
          if (!prompt.has(key)) await pause();
          return result;
        };
      },
    });
  return slowed(store);
}

/** The pool's hypervisor, with eyes on what it does to machines that work. */
function watched(hypervisor: FakeHypervisor, world: World): PoolHypervisor {
  const jobsOn = async (name: string): Promise<string[]> =>
    ((await world.store.jobs.holdingsByWorker()).get(name) ?? []).map(({ jobId }) => jobId);
  return {
    hostRoom: () => hypervisor.hostRoom(),
    list: () => hypervisor.list(),
    get: (name) => hypervisor.get(name),
    create: (spec) => hypervisor.create(spec),
    resume: (name) => hypervisor.resume(name),
    onEvent: (listener) => hypervisor.onEvent(listener),
    async suspend(name) {
      const jobs = await jobsOn(name);
      if (jobs.length > 0) world.violated(`${name} was paused with ${jobs} on it`);
      await hypervisor.suspend(name);
    },
    async remove(name) {
      const row = await world.store.vms.get(name);
      const jobs = await jobsOn(name);
      const state = row?.state ?? 'leftover';
      if (!['leftover', 'failed', 'stopping', 'dead'].includes(state))
        world.violated(`${name} was removed while ${state}`);
      if (state === 'stopping' && jobs.length > 0 && !world.deleted.has(name)) {
        world.violated(`${name} was removed with ${jobs} on it`);
      }
      await hypervisor.remove(name);
    },
  };
}
