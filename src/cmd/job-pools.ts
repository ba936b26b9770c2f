import type { Config } from '../config/schema.ts';
import { defaultFlavors } from '../domain/flavor.ts';
import type { Hypervisor } from '../domain/hypervisor.ts';
import type { RuntimeShelf } from '../domain/image.ts';
import type { Holding } from '../domain/queue.ts';
import type { Store } from '../domain/store.ts';
import type { Vm } from '../domain/vm.ts';
import { joinedPool } from '../domain/worker.ts';
import { flavorHolds } from '../jobs/check-limits.ts';
import type { JobController } from '../jobs/controller.ts';
import { type PoolShape, weightOf } from '../jobs/demand.ts';
import { jobsWorkload } from '../pool/workload.ts';
import type { PoolPlan, Pools } from './pools.ts';

/** Jobs that ended last, from which the length of the next is expected. */
const recentJobs = 50;

/** What the autoscalers of job pools look at. */
export interface JobDemandParts {
  readonly config: Config;
  readonly pools: Pools;
  readonly store: Store;
  readonly runtimes: RuntimeShelf;
  readonly jobs: Pick<JobController, 'demand'>;
}

/** The pools of the configuration: their VMs run jobs. */
export function jobPools(parts: JobDemandParts): PoolPlan[] {
  const { config, pools, store } = parts;
  return config.pools.map(({ name, prefix, flavor, maxParallelLaunches, minLifetimeMs, ...settings }) => ({
    pool: {
      name,
      prefix: prefix ?? name,
      flavor: pools.flavor(flavor),
      settings: { ...settings, paused: false },
      maxParallelLaunches,
      minLifetimeMs,
    },
    workload: jobsWorkload,
    async demand() {
      const held = await store.jobs.holdingsByWorker();
      const shapes = await poolShapes(parts, held);
      const own = shapes.find((shape) => shape.name === name);
      const inFlight = (vm: Vm): number => {
        const on = held.get(vm.name) ?? [];
        return own === undefined ? on.length : on.reduce((sum, holding) => sum + weightOf(holding, own), 0);
      };
      return {
        backlog: {
          waiting: parts.jobs.demand(shapes)?.get(name) ?? null,
          perVm: own?.perVm ?? 1,
          meanMs: await store.jobs.meanRunMs(recentJobs),
        },
        inFlight,
      };
    },
  }));
}

/** The pools of the configuration, in its order: what a new VM of each could run, and how full they are. */
async function poolShapes(
  { config, pools, store, runtimes }: JobDemandParts,
  holdings: ReadonlyMap<string, readonly Holding[]>,
): Promise<PoolShape[]> {
  const names = new Set((await runtimes.list()).map((runtime) => runtime.name));
  const shapeOf = async ({ name, flavor: flavorName, max }: Config['pools'][number]): Promise<PoolShape> => {
    const flavor = pools.flavor(flavorName);
    const own = await store.vms.ofPool(name);
    const capacities = own.flatMap((vm) => vm.capacity ?? []);
    const guess = flavorHolds(flavor);
    const held = own.flatMap((vm) => holdings.get(vm.name) ?? []);
    // What a guest gives is known once one has booted.
    const seen = capacities.length === 0 ? [guess] : capacities;
    const cpus = Math.max(...seen.map((one) => one.cpus));
    return {
      name,
      cpus,
      memoryBytes: Math.max(...seen.map((one) => one.memoryBytes)),
      diskBytes: Math.max(...seen.map((one) => one.diskBytes)),
      slots: Math.max(...seen.map((one) => one.slots)),
      runtimes: names,
      max: pools.find(name)?.controller.size.settings.max ?? max,
      heldCpus: held.reduce((sum, holding) => sum + holding.cpus, 0),
      perVm: Math.max(1, Math.floor(cpus)),
    };
  };
  return Promise.all(config.pools.map(shapeOf));
}

/** Empties pools that are in use no more, e.g. because the configuration names them otherwise since the last start. */
export async function retirePools(pools: Pools, store: Store, hypervisor: Hypervisor): Promise<void> {
  const services = (await store.services.list()).map((service) => service.name);
  const inUse = new Set([...pools.served.map((pool) => pool.name), ...services, joinedPool]);
  const rows = (await store.vms.list()).map((vm) => vm.pool);
  const machines = (await hypervisor.list()).map((machine) => machine.tags.pool);
  for (const name of new Set([...rows, ...machines])) {
    if (!inUse.has(name)) await pools.open(retiredPool(name)).then(() => pools.close(name));
  }
}

/** A pool that only lets go of what is there. */
export function retiredPool(name: string): PoolPlan {
  const [flavor] = defaultFlavors;
  const settings = { min: 0, max: 0, warm: 0, paused: true, policies: [] };
  return {
    pool: { name, prefix: name, flavor, settings, maxParallelLaunches: 1, minLifetimeMs: 0 },
    workload: jobsWorkload,
    demand: async () => ({ backlog: { waiting: 0, perVm: 1, meanMs: null }, inFlight: () => 0 }),
  };
}
