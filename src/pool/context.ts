import type { AgentLink } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import type { EventName } from '../domain/event.ts';
import type { Flavor } from '../domain/flavor.ts';
import type { Accelerator, MachineNetwork } from '../domain/hypervisor.ts';
import type { Image, RuntimeShelf } from '../domain/image.ts';
import type { PoolSettings } from '../domain/pool.ts';
import type { Store } from '../domain/store.ts';
import type { Changes } from '../reconcile/changes.ts';
import type { PoolHypervisor } from './limited-hypervisor.ts';
import type { Workload } from './workload.ts';

export interface PoolConfig {
  readonly name: string;
  /** VMs are named `<prefix>-0000`, `-0001` ... */
  readonly prefix: string;
  readonly flavor: Flavor;
  /** As configured; what was changed while running wins (PoolState.overrides). */
  readonly settings: PoolSettings;
  readonly maxParallelLaunches: number;
  readonly minLifetimeMs: number;
}

/** What a pool works with. */
export interface PoolContext {
  readonly pool: PoolConfig;
  readonly hypervisor: PoolHypervisor;
  readonly link: AgentLink;
  readonly store: Store;
  readonly clock: Clock;
  /** Topics notified: `vms` (a VM changed its state), `queue` (there may be room for a job), `events`. */
  readonly changes: Changes;
  readonly image: Image;
  readonly runtimes: RuntimeShelf;
  readonly accelerator: Accelerator;
  readonly network: MachineNetwork;
  readonly workload: Workload;
  /** CPU that a machine used or waited for, 0 to 1, at its newest sample since then; undefined when there is none. */
  cpuWantedSince(machine: string, sinceMs: number): number | undefined;
  log(message: string): void;
}

/** Writes an event about a pool or one of its VMs, and wakes who follows them. */
export async function emit(
  context: PoolContext,
  name: EventName,
  vm: string | null,
  text: string,
  data: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  context.log(vm === null ? `pool ${context.pool.name}: ${text}` : `vm ${vm}: ${text}`);
  await context.store.events.append({ atMs: context.clock.now(), name, pool: context.pool.name, vm, text, data });
  context.changes.notify('events');
}
