import { jobsPerVm } from '../autoscaler/observe.ts';
import type { Config } from '../config/schema.ts';
import { defaultFlavors } from '../domain/flavor.ts';
import type { Hypervisor } from '../domain/hypervisor.ts';
import type { Store } from '../domain/store.ts';
import { joinedPool } from '../domain/worker.ts';
import { jobsWorkload } from '../pool/workload.ts';
import type { PoolPlan, Pools } from './pools.ts';

/** Jobs that ended last, from which the length of the next is expected. */
const recentJobs = 50;

/** The pools of the configuration: their VMs run jobs. */
export function jobPools(config: Config, pools: Pools, store: Store): PoolPlan[] {
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
    async demand(vms) {
      const active = await store.jobs.active();
      return {
        backlog: {
          waiting: await store.jobs.countQueued(),
          perVm: jobsPerVm(vms),
          meanMs: await store.jobs.meanRunMs(recentJobs),
        },
        inFlight: (vm) => jobsWorkload.inFlight(vm, active),
      };
    },
  }));
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
