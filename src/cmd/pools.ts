import { Autoscaler } from '../autoscaler/live.ts';
import { snapshotOf } from '../autoscaler/observe.ts';
import { systemClock } from '../clock/system-clock.ts';
import type { Config } from '../config/schema.ts';
import type { AgentLink } from '../domain/agent-link.ts';
import { defaultLaunchReserve } from '../domain/disk.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Flavor } from '../domain/flavor.ts';
import type { Accelerator, Hypervisor } from '../domain/hypervisor.ts';
import type { Image, RuntimeShelf } from '../domain/image.ts';
import type { Decision, PoolSnapshot } from '../domain/scaling.ts';
import type { Store } from '../domain/store.ts';
import type { Vm } from '../domain/vm.ts';
import type { ServedPool } from '../http/context.ts';
import type { Sampler } from '../metrics/sampler.ts';
import { Admission, type Refusal } from '../pool/admission.ts';
import { emit, type PoolConfig, type PoolContext } from '../pool/context.ts';
import { PoolController } from '../pool/controller.ts';
import type { PoolHypervisor } from '../pool/limited-hypervisor.ts';
import { withSharedList } from '../pool/shared-list.ts';
import type { Workload } from '../pool/workload.ts';
import type { Changes } from '../reconcile/changes.ts';
import type { NamedPlanner } from './policies.ts';

const MiB = 1024 ** 2;

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
  readonly planner: NamedPlanner;
  /** Returns the reason why no VM can be launched at all, if there is one. */
  readonly obstacle: () => Promise<Refusal | undefined>;
  /** Runtimes that queued jobs wait for, since no worker has them. */
  awaitedRuntimes(): readonly string[];
  log(message: string): void;
}

/** A pool to be made, with what its VMs work on. */
export interface PoolPlan {
  readonly pool: PoolConfig;
  readonly workload: Workload;
  /** What the autoscaler is to know of the work. @param vms those of the pool */
  demand(vms: readonly Vm[]): Promise<Demand>;
}

export interface Demand {
  readonly backlog: PoolSnapshot['backlog'];
  /** Null when it is not known. */
  inFlight(vm: Vm): number | null;
}

/** The pools of a server, each with its controller and its autoscaler. They come and go while it runs. */
export class Pools {
  readonly #parts: PoolParts;
  readonly #hypervisor: PoolHypervisor;
  readonly #admission: Admission;
  readonly #served: ServedPool[] = [];
  readonly #closing = new Map<string, Promise<void>>();

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#hypervisor = withSharedList(parts.hypervisor, systemClock);
    const { memoryReserveMiB, diskReserveMiB } = parts.config.room;
    const disk = diskReserveMiB === undefined ? defaultLaunchReserve : { minBytes: diskReserveMiB * MiB, percent: 0 };
    this.#admission = new Admission({
      hypervisor: parts.hypervisor,
      clock: systemClock,
      reserve: { memoryBytes: memoryReserveMiB * MiB, disk },
      obstacle: parts.obstacle,
      onAnswer: () => parts.changes.notify('room'),
    });
  }

  /** Those that are there now; the list is kept up to date. */
  get served(): readonly ServedPool[] {
    return this.#served;
  }

  find(name: string): ServedPool | undefined {
    return this.#served.find((pool) => pool.name === name);
  }

  flavor(name: string): Flavor {
    const flavor = this.#parts.config.flavors.find((candidate) => candidate.name === name);
    if (flavor === undefined) throw new TidepoolError('invalid', `there is no flavor ${name}`);
    return flavor;
  }

  /** Makes a pool and reads back what is there of it. Errors: `invalid` for policies that there are not. */
  async open(plan: PoolPlan): Promise<ServedPool> {
    const { pool } = plan;
    const { config, ...shared } = this.#parts;
    const context: PoolContext = {
      ...shared,
      hypervisor: this.#hypervisor,
      admission: this.#admission,
      pool,
      workload: plan.workload,
      clock: systemClock,
      network: config.network,
      cpuWantedSince: (machine, sinceUptimeMs) => shared.sampler.cpuWantedSince(machine, sinceUptimeMs),
    };
    const controller = new PoolController(context);
    const autoscaler = makeAutoscaler(this.#parts, plan, context, controller);
    const served = { name: pool.name, flavor: pool.flavor.name, controller, autoscaler };
    await controller.start();
    autoscaler.start();
    this.#served.push(served);
    return served;
  }

  /** Drains and removes a pool's VMs, and the pool with the last. Idempotent; false until it is gone. */
  close(name: string): boolean {
    const served = this.find(name);
    if (served === undefined) return true;
    if (!this.#closing.has(name)) {
      const gone = this.#empty(served)
        .catch((error: unknown) => this.#parts.log(`closing pool ${name}: ${String(error)}`))
        .finally(() => this.#closing.delete(name));
      this.#closing.set(name, gone);
    }
    return false;
  }

  /** No more VMs are asked for. */
  async freeze(): Promise<void> {
    for (const { autoscaler } of this.#served) await autoscaler.stop();
  }

  /** Takes every VM of every pool away. */
  async empty(): Promise<void> {
    await Promise.all(this.#served.map((pool) => pool.controller.empty()));
  }

  /** Stops steering and leaves all VMs as they are. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#served.map(async ({ autoscaler, controller }) => {
        await autoscaler.stop();
        await controller.stop();
      }),
    );
  }

  async #empty(served: ServedPool): Promise<void> {
    await served.autoscaler.stop();
    await served.controller.empty();
    await served.controller.stop();
    await this.#parts.store.pools.delete(served.name);
    this.#served.splice(this.#served.indexOf(served), 1);
    this.#parts.changes.notify('services');
  }
}

/** The same decision, which says too that the host has no room for it. */
function limitedBy(waitsFor: string | null, decision: Decision): Decision {
  if (waitsFor === null) return decision;
  const limit = { code: 'ScalingLimited', text: `ScalingLimited: ${waitsFor}`, numbers: {} };
  return { ...decision, limits: [...decision.limits, limit] };
}

function makeAutoscaler(
  parts: PoolParts,
  plan: PoolPlan,
  context: PoolContext,
  controller: PoolController,
): Autoscaler {
  const autoscaler = new Autoscaler({
    clock: systemClock,
    plan: (snapshot, policies, nowMs) => limitedBy(controller.waitsFor, parts.planner.plan(snapshot, policies, nowMs)),
    policyNames: parts.planner.names,
    readsLoads: parts.planner.readsLoads,
    notes: {
      read: () => parts.store.pools.note(controller.name, 'planner'),
      write: (note) => parts.store.pools.putNote(controller.name, 'planner', note),
    },
    emit: (name, text, data) => emit(context, name, null, text, data),
    log: parts.log,
    pool: {
      name: controller.name,
      settings: () => controller.size.settings,
      scale: (desired, why) => controller.scale(desired, why),
      async observe() {
        const vms = await parts.store.vms.ofPool(controller.name);
        const seen = {
          pool: controller.name,
          settings: controller.size.settings,
          desired: controller.size.desired,
          vms,
          ...(await plan.demand(vms)),
          bootMs: controller.bootMs,
          windowMs: parts.planner.windowMs(controller.size.settings.policies),
          usages: (vm: string, sinceMs: number) => parts.sampler.usages(vm, sinceMs),
        };
        return snapshotOf(seen, systemClock.now());
      },
    },
  });
  autoscaler.checkPolicies(controller.size.settings.policies);
  return autoscaler;
}
