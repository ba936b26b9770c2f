import { Autoscaler } from '../autoscaler/live.ts';
import { loadNow, snapshotOf } from '../autoscaler/observe.ts';
import { systemClock } from '../clock/system-clock.ts';
import type { Config } from '../config/schema.ts';
import type { AgentLink } from '../domain/agent-link.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Accelerator, Hypervisor } from '../domain/hypervisor.ts';
import type { Image, RuntimeShelf } from '../domain/image.ts';
import type { LoadSample } from '../domain/scaling.ts';
import type { Store } from '../domain/store.ts';
import type { ServedPool } from '../http/context.ts';
import { Ring } from '../metrics/ring.ts';
import type { Sampler } from '../metrics/sampler.ts';
import { emit, type PoolConfig, type PoolContext } from '../pool/context.ts';
import { PoolController } from '../pool/controller.ts';
import type { Changes } from '../reconcile/changes.ts';
import { type NamedPlanner, namedPlanner } from './policies.ts';

/** Load is kept for an hour at one sample a second. */
const keptLoads = 3_600;

/** What all pools of a server share. */
export interface PoolParts {
  readonly config: Config;
  readonly image: Image;
  readonly store: Store;
  readonly changes: Changes;
  readonly link: AgentLink;
  readonly hypervisor: Hypervisor;
  readonly accelerator: Accelerator;
  readonly runtimes: RuntimeShelf;
  readonly sampler: Sampler;
  log(message: string): void;
}

/** The pools of the configuration, each with its controller and its autoscaler, not yet started. */
export function makePools(parts: PoolParts): ServedPool[] {
  const planner = namedPlanner(parts.config.policies);
  return parts.config.pools.map((configured) => {
    const { name, prefix, maxParallelLaunches, minLifetimeMs, min, max, warm, policies } = configured;
    const flavor = parts.config.flavors.find((candidate) => candidate.name === configured.flavor);
    if (flavor === undefined)
      throw new TidepoolError('invalid', `pool ${name}: there is no flavor ${configured.flavor}`);
    const settings = { min, max, warm, policies, paused: false };
    const pool: PoolConfig = { name, prefix: prefix ?? name, flavor, settings, maxParallelLaunches, minLifetimeMs };
    const cpuSince = (machine: string, sinceMs: number): number | undefined =>
      parts.sampler.usages(machine).findLast((usage) => usage.atMs > sinceMs)?.cpu;
    const context: PoolContext = { ...parts, pool, clock: systemClock, network: parts.config.network, cpuSince };
    const controller = new PoolController(context);
    return { name, flavor: flavor.name, controller, autoscaler: makeAutoscaler(parts, context, controller, planner) };
  });
}

function makeAutoscaler(
  parts: PoolParts,
  context: PoolContext,
  controller: PoolController,
  planner: NamedPlanner,
): Autoscaler {
  const loads = new Ring<LoadSample>(keptLoads);
  const autoscaler = new Autoscaler({
    clock: systemClock,
    plan: planner.plan,
    policyNames: planner.names,
    emit: (name, text, data) => emit(context, name, null, text, data),
    log: parts.log,
    pool: {
      name: controller.name,
      settings: () => controller.size.settings,
      scale: (desired, why) => controller.scale(desired, why),
      async observe() {
        const seen = snapshotOf({
          pool: controller.name,
          settings: controller.size.settings,
          desired: controller.size.desired,
          vms: await parts.store.vms.list(),
          activeJobs: await parts.store.jobs.active(),
          queuedJobs: await parts.store.jobs.countQueued(),
          meanJobMs: await parts.store.jobs.meanRunMs(recentJobs),
          bootMs: controller.bootMs,
          loads: loads.toArray(),
          usages: (vm) => parts.sampler.usages(vm),
        });
        loads.push(loadNow(seen, systemClock.now()));
        return seen;
      },
    },
  });
  autoscaler.checkPolicies(controller.size.settings.policies);
  return autoscaler;
}

/** Jobs that ended last, from which the length of the next is expected. */
const recentJobs = 50;
