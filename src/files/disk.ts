import { open, rm, stat, statfs } from 'node:fs/promises';
import type { Ballast, Disk } from '../domain/disk.ts';

/** The file system that a folder is on. */
export function folderDisk(folder: string): Disk {
  return {
    async space() {
      const { bavail, blocks, bsize } = await statfs(folder);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    },
  };
}

const chunkBytes = 1024 ** 2;

/** A file that only takes up room. What an earlier process left of it counts. */
export async function ballastFile(path: string): Promise<Ballast> {
  let sizeBytes = (await stat(path).catch(() => undefined))?.size ?? 0;
  return {
    get sizeBytes() {
      return sizeBytes;
    },
    async fill(wantedBytes) {
      if (sizeBytes >= wantedBytes) return;
      try {
        await using file = await open(path, 'w', 0o600);
        // Written, not only sized: a hole takes up no room.
        const chunk = Buffer.alloc(chunkBytes, 0x42);
        for (let left = wantedBytes; left > 0; left -= chunkBytes)
          await file.writeFile(chunk.subarray(0, Math.min(left, chunkBytes)));
        await file.datasync();
        sizeBytes = wantedBytes;
      } catch (error) {
        await rm(path, { force: true });
        sizeBytes = 0;
        throw error;
      }
    },
    async drop() {
      await rm(path, { force: true });
      const wasThere = sizeBytes > 0;
      sizeBytes = 0;
      return wasThere;
    },
  };
}
