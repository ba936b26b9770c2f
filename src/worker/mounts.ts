import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** One line of /proc/self/mountinfo. */
export interface Mount {
  readonly path: string;
  /** Of the file system, as `rw`, `prjquota`. */
  readonly options: readonly string[];
}

/** Reads /proc/self/mountinfo, in the order of mounting. Pure. */
export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const path = before.split(' ')[4];
    if (path === undefined) continue;
    const plain = path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
    mounts.push({ path: plain, options: (after.split(' ')[2] ?? '').split(',') });
  }
  return mounts;
}

/** The mounts of this machine. */
export async function readMounts(): Promise<Mount[]> {
  return parseMounts(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** The mount that a folder is on: of those whose path it begins with the longest, and of these the last. Pure. */
export function mountOf(folder: string, mounts: readonly Mount[]): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const isAbove = mount.path === '/' || folder === mount.path || folder.startsWith(`${mount.path}/`);
    if (isAbove && mount.path.length >= (best?.path.length ?? 0)) best = mount;
  }
  return best;
}

/** Unmounts what is mounted on a folder itself; what is in use goes when it is free. */
export async function unmount(folder: string): Promise<void> {
  for (const { path } of await readMounts()) if (path === folder) await run('umount', ['-l', path]);
}

/** Unmounts everything below a folder of ours, the last mounted first; what is in use goes when it is free. */
export async function unmountBelow(folder: string): Promise<void> {
  const inner = (await readMounts()).filter((mount) => mount.path.startsWith(`${folder}/`));
  for (const { path } of inner.reverse()) await run('umount', ['-l', path]);
}
