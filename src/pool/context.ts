import type { AgentLink } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import type { Flavor } from '../domain/flavor.ts';
import type { Accelerator, Hypervisor, MachineNetwork } from '../domain/hypervisor.ts';
import type { Image, RuntimeShelf } from '../domain/image.ts';
import type { Store } from '../domain/store.ts';
import type { Changes } from '../reconcile/changes.ts';

export interface PoolConfig {
  readonly name: string;
  /** VMs are named `<prefix>-0000`, `-0001` ... */
  readonly prefix: string;
  readonly flavor: Flavor;
  /** How many VMs the pool keeps. */
  readonly size: number;
}

/** What a pool works with. */
export interface PoolContext {
  readonly pool: PoolConfig;
  readonly hypervisor: Hypervisor;
  readonly link: AgentLink;
  readonly store: Store;
  readonly clock: Clock;
  /** Topics notified: `vms` (a VM changed its state), `queue` (there may be room for a job). */
  readonly changes: Changes;
  readonly image: Image;
  readonly runtimes: RuntimeShelf;
  readonly accelerator: Accelerator;
  readonly network: MachineNetwork;
  log(message: string): void;
}
