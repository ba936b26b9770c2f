import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MiB = 1024 ** 2;
const diskMiB = 96;

/** A small file system of its own; undefined with the reason where none can be mounted. */
export async function smallDisk(): Promise<{ folder: string; [Symbol.asyncDispose](): Promise<void> } | string> {
  if (process.getuid?.() !== 0) return 'only root can mount a file system';
  const parent = await mkdtemp(join(tmpdir(), 'tidepool-disk-'));
  const image = join(parent, 'disk.img');
  const folder = join(parent, 'disk');
  await writeFile(image, '');
  await truncate(image, diskMiB * MiB);
  await mkdir(folder);
  try {
    // Without blocks that only root may use: the test is root.
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
    await run('mount', ['-o', 'loop', image, folder]);
  } catch (error) {
    await rm(parent, { recursive: true, force: true });
    return `no file system can be mounted here: ${String(error)}`;
  }
  return {
    folder,
    async [Symbol.asyncDispose]() {
      // Lazily: after a failed assertion files are open still.
      await run('umount', ['-l', folder]);
      await rm(parent, { recursive: true, force: true });
    },
  };
}

/** Writes until not one byte fits any more. */
export async function fill(path: string): Promise<void> {
  await using file = await open(path, 'w');
  for (let size = MiB; size >= 1; size = Math.floor(size / 4)) {
    for (;;) {
      const isFull = await file.write(Buffer.alloc(size, 1)).then(
        ({ bytesWritten }) => bytesWritten < size,
        () => true,
      );
      if (isFull) break;
    }
  }
  await file.sync().catch(() => undefined);
}
