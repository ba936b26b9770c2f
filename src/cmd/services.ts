import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connections } from '../agentlink/connections.ts';
import { HttpsServiceLink } from '../agentlink/service-link.ts';
import { systemClock } from '../clock/system-clock.ts';
import type { Config } from '../config/schema.ts';
import type { BlobStore } from '../domain/blob-store.ts';
import type { Hypervisor } from '../domain/hypervisor.ts';
import type { RuntimeShelf } from '../domain/image.ts';
import type { Service } from '../domain/service.ts';
import type { Store } from '../domain/store.ts';
import { joinedPool } from '../domain/worker.ts';
import { openHaproxyBalancer } from '../haproxy/balancer.ts';
import type { Changes } from '../reconcile/changes.ts';
import { Turns } from '../reconcile/turns.ts';
import type { ServiceContext, ServicePools, ServiceRules } from '../services/context.ts';
import { ServiceController } from '../services/controller.ts';
import { serviceWorkload } from '../services/workload.ts';
import { retiredPool } from './job-pools.ts';
import type { NamedPlanner } from './policies.ts';
import type { Pools } from './pools.ts';

/** VMs of a service on their way up at one time: two keep a small host busy. */
const maxParallelLaunches = 2;
/** The kernel takes no longer paths for sockets, and HAProxy puts its own names behind the folder's. */
const maxFolderLength = 75;

export interface ServiceParts {
  readonly config: Config;
  readonly dataDir: string;
  readonly installationId: string;
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly runtimes: RuntimeShelf;
  readonly changes: Changes;
  readonly connections: Connections;
  readonly hypervisor: Hypervisor;
  readonly planner: NamedPlanner;
  readonly pools: Pools;
  log(message: string): void;
}

/** The part of the control plane about services, not yet started. */
export interface Services {
  readonly context: ServiceContext;
  readonly controller: ServiceController;
}

/** Puts it together: the front door, the pools of services, the loop. */
export async function openServices(parts: ServiceParts): Promise<Services> {
  const { config, hypervisor } = parts;
  const balancer = await openHaproxyBalancer({
    folder: frontDoorFolder(parts),
    clock: systemClock,
    path: process.env.PATH,
    kill: (pid, signal) => process.kill(pid, signal),
    log: parts.log,
    waitMs: config.services.maxWaitMs,
  });
  const context: ServiceContext = {
    ...parts,
    link: new HttpsServiceLink(systemClock, parts.connections),
    balancer,
    pools: servicePools(parts, (service) => serviceWorkload({ clock: systemClock }, controller, service)),
    rules: serviceRules(config, parts.planner),
    clock: systemClock,
    deployments: new Turns(),
    endpoints: async (machine) => (await hypervisor.get(machine))?.endpoints,
  };
  const controller: ServiceController = new ServiceController(context);
  return { context, controller };
}

function frontDoorFolder({ dataDir, installationId }: ServiceParts): string {
  const folder = join(dataDir, 'frontdoor');
  return folder.length <= maxFolderLength ? folder : join(tmpdir(), `tidepool-${installationId.slice(0, 13)}`);
}

function serviceRules(config: Config, planner: NamedPlanner): ServiceRules {
  const { host, ports, maxServices, maxVms } = config.services;
  return {
    flavors: config.flavors,
    host,
    ports,
    maxServices,
    maxVms,
    isPortFree: (port) => isPortFree(host, port),
    checkPolicies: planner.check,
  };
}

function isPortFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

type Workload = ReturnType<typeof serviceWorkload>;

function servicePools(parts: ServiceParts, workloadOf: (service: Service) => Workload): ServicePools {
  const { config, pools, store, hypervisor } = parts;
  const hasVms = async (pool: string): Promise<boolean> =>
    (await store.vms.list()).some((vm) => vm.pool === pool) ||
    (await hypervisor.list()).some((machine) => machine.tags.pool === pool);
  return {
    isConfigured: (name) =>
      name === joinedPool || config.pools.some((pool) => pool.name === name || pool.prefix === name),
    async open(service) {
      if (pools.find(service.name) !== undefined) return;
      const workload = workloadOf(service);
      await pools.open({
        pool: {
          name: service.name,
          prefix: service.name,
          flavor: pools.flavor(service.flavor),
          settings: service.settings,
          maxParallelLaunches,
          minLifetimeMs: 0,
        },
        workload,
        demand: async () => workload.demand(),
      });
    },
    async close(name) {
      // VMs of a service that was stopped just before an earlier server ended have no pool yet.
      if (pools.find(name) === undefined && (await hasVms(name))) await pools.open(retiredPool(name));
      return pools.close(name);
    },
    settings: (name) => pools.find(name)?.controller.size.settings,
    desired: (name) => pools.find(name)?.controller.size.desired,
    async change(name, changes) {
      await pools.find(name)?.controller.change(changes);
    },
  };
}
