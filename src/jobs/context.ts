import type { AgentLink } from '../domain/agent-link.ts';
import type { ArchiveReader } from '../domain/archive.ts';
import type { BlobStore, LogStore } from '../domain/blob-store.ts';
import type { Clock } from '../domain/clock.ts';
import type { Flavor } from '../domain/flavor.ts';
import type { RuntimeShelf } from '../domain/image.ts';
import type { StorageRules } from '../domain/storage.ts';
import type { Store } from '../domain/store.ts';
import type { Changes } from '../reconcile/changes.ts';
import type { SchedulingRules } from './rules.ts';

/** What the job service works with. */
export interface JobContext {
  readonly store: Store;
  readonly link: AgentLink;
  readonly blobs: BlobStore;
  readonly logs: LogStore;
  readonly archives: ArchiveReader;
  readonly runtimes: RuntimeShelf;
  readonly clock: Clock;
  /** Topics: a job's id (its state or log changed), `queue` (there may be something to schedule), see also cancel.ts. */
  readonly changes: Changes;
  /** How often a job may be started in all, when workers are lost under it. */
  readonly maxAttempts: number;
  readonly rules: SchedulingRules;
  readonly storage: StorageRules;
  /** Whether jobs may have requirements: there is something to install from. */
  readonly hasPip: boolean;
  /** The sizes of VM that any pool can make. */
  readonly flavors: readonly Flavor[];
  /** Pools whose VMs run jobs; the VMs of others belong to services. */
  readonly workerPools: ReadonlySet<string>;
  log(message: string): void;
}
