import type { Balancer } from '../domain/balancer.ts';
import type { BlobStore } from '../domain/blob-store.ts';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { EventName } from '../domain/event.ts';
import type { Flavor } from '../domain/flavor.ts';
import type { Endpoint } from '../domain/hypervisor.ts';
import type { RuntimeShelf } from '../domain/image.ts';
import type { PoolSettings } from '../domain/pool.ts';
import type { Service } from '../domain/service.ts';
import type { ServiceLink } from '../domain/service-link.ts';
import type { Store } from '../domain/store.ts';
import type { Changes } from '../reconcile/changes.ts';
import type { Turns } from '../reconcile/turns.ts';
import { writeEvent } from '../reconcile/write-event.ts';

/** What the service part works with. */
export interface ServiceContext {
  readonly store: Store;
  readonly link: ServiceLink;
  readonly blobs: BlobStore;
  readonly balancer: Balancer;
  readonly runtimes: RuntimeShelf;
  readonly pools: ServicePools;
  readonly rules: ServiceRules;
  readonly clock: Clock;
  /** Topics that wake it: `vms`, `services`. It notifies `services`, `events` (also of endpoints), `queue` (a drain is over). */
  readonly changes: Changes;
  /** Deployments run one after the other. */
  readonly deployments: Turns;
  /** Where the ports of a machine can be reached; undefined when there is none of that name. */
  endpoints(machine: string): Promise<readonly Endpoint[] | undefined>;
  log(message: string): void;
}

/** What deployments are held to. */
export interface ServiceRules {
  readonly flavors: readonly Flavor[];
  /** Where clients connect, and the ports that are given out unless one is asked for. */
  readonly host: string;
  readonly ports: { readonly first: number; readonly last: number };
  readonly maxServices: number;
  /** The most VMs that one service may ask for. */
  readonly maxVms: number;
  /** Whether no other program listens there. */
  isPortFree(port: number): Promise<boolean>;
  /** Errors: `invalid` for a name that there is no autoscaling policy of. */
  checkPolicies(names: readonly string[]): void;
}

/** The pools of services as this part sees them: each service has one of its own name. */
export interface ServicePools {
  /** Whether the configuration has a pool, or a prefix of VMs, of this name. */
  isConfigured(name: string): boolean;
  /**
   * Makes the service's pool, with its flavor and settings, and has it steered; VMs of an earlier server process are taken
   * up. One that is being closed is opened when its last VM is gone. Idempotent.
   */
  open(service: Service): Promise<void>;
  /**
   * No VM is wanted any more: those that are there (also of an earlier server process) are drained and removed. Idempotent;
   * to be asked again until it says true: the last is gone, and the pool with it.
   */
  close(name: string): Promise<boolean>;
  /** What holds now, with what was changed while running; undefined when the pool is not open or is being closed. */
  settings(name: string): PoolSettings | undefined;
  /** VMs wanted in service; undefined when the pool is not open. */
  desired(name: string): number | undefined;
  /** Changes settings of an open pool. Errors: `invalid`. */
  change(name: string, changes: Partial<PoolSettings>): Promise<void>;
}

/** Writes an event about a service, and wakes who follows them. Never rejects (writeEvent). */
export async function emit(
  context: Pick<ServiceContext, 'store' | 'clock' | 'changes' | 'log'>,
  name: EventName,
  service: string,
  text: string,
  data: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  context.log(`service ${service}: ${text}`);
  await writeEvent(context, { name, pool: service, vm: null, text, data });
  context.changes.notify('services');
}

/**
 * @param owner whose services may be seen; null: everybody's
 * Errors: `not_found`, also for another's.
 */
export async function findService(
  { store }: Pick<ServiceContext, 'store'>,
  name: string,
  owner: string | null,
): Promise<Service> {
  const service = await store.services.get(name);
  if (service === undefined || (owner !== null && service.owner !== owner))
    throw new TidepoolError('not_found', `there is no service ${name}`);
  return service;
}
