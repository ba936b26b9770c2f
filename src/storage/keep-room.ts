import type { BlobKeeper, LogKeeper } from '../domain/blob-store.ts';
import type { DiskReserve } from './reserve.ts';

/** Blobs that leave the database its part of the disk; whoever puts one waits and tries again, as with a full disk. */
export function roomyBlobs(blobs: BlobKeeper, reserve: Pick<DiskReserve, 'checkOutput'>): BlobKeeper {
  return {
    ...blobs,
    async put(source, maxBytes) {
      await reserve.checkOutput();
      return blobs.put(source, maxBytes);
    },
    hold() {
      const hold = blobs.hold();
      return {
        async put(source, maxBytes) {
          await reserve.checkOutput();
          return hold.put(source, maxBytes);
        },
        keep: (id) => hold.keep(id),
        [Symbol.dispose]: () => hold[Symbol.dispose](),
      };
    },
  };
}

/** Logs that leave the database its part of the disk. */
export function roomyLogs(logs: LogKeeper, reserve: Pick<DiskReserve, 'checkOutput'>): LogKeeper {
  return {
    ...logs,
    async append(jobId, attempt, chunk) {
      await reserve.checkOutput();
      await logs.append(jobId, attempt, chunk);
    },
  };
}
