import type { BlobKeeper, LogKeeper } from '../domain/blob-store.ts';
import type { Clock } from '../domain/clock.ts';
import type { StorageRules } from '../domain/storage.ts';
import type { Store } from '../domain/store.ts';
import type { DiskReserve } from './reserve.ts';

/** What keeping and removing works with. */
export interface StorageContext {
  readonly store: Pick<Store, 'compact' | 'storage' | 'services' | 'once'>;
  readonly blobs: BlobKeeper;
  readonly logs: LogKeeper;
  /** Of the disk that blobs and logs are on. */
  readonly reserve: Pick<DiskReserve, 'checkRoom' | 'guarded' | 'state'>;
  readonly rules: StorageRules;
  readonly clock: Clock;
  log(message: string): void;
  /** Receives again and again whether there is something about what is kept that somebody should see to. */
  alert?(isRaised: boolean, text: string): Promise<void>;
}
