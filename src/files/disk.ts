import { open, rm, stat, statfs } from 'node:fs/promises';
import type { Ballast, Disk } from '../domain/disk.ts';
import { TidepoolError } from '../domain/errors.ts';

/** The file system that a folder is on. */
export function folderDisk(folder: string): Disk {
  return {
    async space() {
      const { bavail, blocks, bsize, files, ffree } = await statfs(folder);
      // A file system that makes inodes as it needs them says 0.
      const inodes = files > 0 ? { free: ffree, total: files } : undefined;
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, inodes };
    },
  };
}

/**
 * The file system of a folder as long as these files and folders are those that they were: after a folder was moved away or
 * unmounted, what is in its place says nothing. Errors: those of the first look at them.
 */
export async function watchedDisk(folder: string, paths: readonly string[]): Promise<Disk> {
  const identity = async (path: string): Promise<string> => {
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}:${ino}`;
  };
  const known = new Map<string, string>();
  for (const path of paths) known.set(path, await identity(path));
  const disk = folderDisk(folder);
  return {
    async space() {
      for (const [path, before] of known)
        if ((await identity(path)) !== before)
          throw new TidepoolError('unavailable', `${path} is not the one that was opened: another is in its place`);
      return disk.space();
    },
  };
}

const chunkBytes = 1024 ** 2;

/** A file that only takes up room. What an earlier process left of it counts. */
export async function ballastFile(path: string): Promise<Ballast> {
  const facts = await stat(path).catch(() => undefined);
  let sizeBytes = facts?.isFile() === true ? facts.size : 0;
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
        sizeBytes = 0;
        // It may be no file, or one that cannot be removed either: the first error says why.
        await rm(path, { force: true }).catch(() => undefined);
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
