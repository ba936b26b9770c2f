import type { AgentLink } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import type { EventName } from '../domain/event.ts';
import type { Flavor } from '../domain/flavor.ts';
import type { Accelerator, MachineNetwork } from '../domain/hypervisor.ts';
import type { Image, RuntimeShelf } from '../domain/image.ts';
import type { PoolSettings } from '../domain/pool.ts';
import type { Store } from '../domain/store.ts';
import type { Changes } from '../reconcile/changes.ts';
import { writeEvent } from '../reconcile/write-event.ts';
import type { Admission } from './admission.ts';
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

/** What a pool keeps in the store and reads from it. */
export interface PoolRecords {
  readonly vms: Store['vms'];
  readonly pools: Pick<Store['pools'], 'get' | 'put' | 'note' | 'putNote'>;
  readonly events: Pick<Store['events'], 'append'>;
  readonly jobs: Pick<Store['jobs'], 'holdingsByWorker'>;
}

/** What a pool asks of agents. */
export type PoolLink = Pick<AgentLink, 'health' | 'setClock'>;

/** How often a pool looks by itself, in milliseconds. What happens is mostly told at once; this is for what is not. */
export interface Pace {
  /** Steering, and the time limits of VMs' states. */
  readonly steerMs: number;
  /** Comparing the rows with the hypervisor's machines. */
  readonly compareMs: number;
  /** Between two heartbeats of a VM in service. */
  readonly heartbeatMs: number;
}

/** So that what goes wrong is noticed within three seconds. */
export const usualPace: Pace = { steerMs: 1_000, compareMs: 2_000, heartbeatMs: 500 };

/** What a pool works with. */
export interface PoolContext {
  readonly pool: PoolConfig;
  readonly hypervisor: PoolHypervisor;
  readonly link: PoolLink;
  readonly store: PoolRecords;
  readonly clock: Clock;
  /** Topics: `vms` (a VM changed its state), `queue` (there may be room for a job), `events`, `room` (the host answered). */
  readonly changes: Changes;
  readonly image: Image;
  readonly runtimes: RuntimeShelf;
  readonly accelerator: Accelerator;
  readonly network: MachineNetwork;
  readonly workload: Workload;
  /** Shared by all pools of the host; without it every launch is admitted. */
  readonly admission?: Admission;
  /** Runtimes that queued jobs wait for, since no worker in service has them; none unless given. */
  awaitedRuntimes?(): readonly string[];
  /** The usual one unless given. */
  readonly pace?: Pace;
  /**
   * CPU that a machine used or waited for, 0 to 1, at its newest sample since then; undefined when there is none, which is
   * no evidence of anything. @param sinceUptimeMs time of the steady clock
   */
  cpuWantedSince(machine: string, sinceUptimeMs: number): number | undefined;
  log(message: string): void;
}

/** Writes an event about a pool or one of its VMs, and wakes who follows them. Never rejects (writeEvent). */
export async function emit(
  context: PoolContext,
  name: EventName,
  vm: string | null,
  text: string,
  data: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  context.log(vm === null ? `pool ${context.pool.name}: ${text}` : `vm ${vm}: ${text}`);
  await writeEvent(context, { name, pool: context.pool.name, vm, text, data });
}
