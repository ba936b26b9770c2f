import { execFile } from 'node:child_process';
import { mkdir, rm, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ballast = '.soak-ballast';

/** A small file system of its own in a folder, which can be filled. Needs root and a loop device. */
export class SmallDisk {
  readonly folder: string;
  readonly #image: string;

  private constructor(folder: string, image: string) {
    this.folder = folder;
    this.#image = image;
  }

  /** Makes and mounts it. @param image path of the file that holds it */
  static async make(folder: string, image: string, sizeMiB: number): Promise<SmallDisk> {
    await writeFile(image, '');
    await truncate(image, sizeMiB * 1024 ** 2);
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
    await mkdir(folder, { recursive: true });
    await run('mount', ['-o', 'loop', image, folder]);
    return new SmallDisk(folder, image);
  }

  /** Takes all of the room that is left. */
  async fill(): Promise<void> {
    // What else is written meanwhile may take room from it, so it is asked for in pieces that become smaller.
    for (const divisor of [1, 2, 8, 64, 512]) {
      const { bavail, bsize } = await statfs(this.folder);
      const bytes = Math.floor((bavail * bsize) / divisor);
      if (bytes < bsize) return;
      const name = join(this.folder, `${ballast}-${divisor}`);
      await run('fallocate', ['-l', String(bytes), name]).catch(() => undefined);
    }
  }

  /** Gives the room back. */
  async free(): Promise<void> {
    for (const divisor of [1, 2, 8, 64, 512]) await rm(join(this.folder, `${ballast}-${divisor}`), { force: true });
  }

  async remove(): Promise<void> {
    // Lazily: a process of a run that failed may still hold a file open.
    await run('umount', ['-l', this.folder]).catch(() => undefined);
    await rm(this.#image, { force: true });
  }
}
