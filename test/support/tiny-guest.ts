import { execFile } from 'node:child_process';
import { existsSync, globSync, rmSync, statSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cpioArchive } from '../../src/image/cpio.ts';

const run = promisify(execFile);

/** A guest that is up in seconds: a kernel and a busybox. */
export interface TinyGuest {
  readonly kernelPath: string;
  /** Prints `TINY-GUEST-UP`, answers each line on its console by `heard: LINE`, and powers off on the line `poweroff`. */
  readonly initrdPath: string;
  /** Powers off at once. */
  readonly poweroffInitrdPath: string;
  /** An empty qcow2 of 64 MiB. */
  readonly diskPath: string;
}

/** Boots any of the two, quietly. */
export const tinyCommandLine = 'console=ttyS0 quiet panic=-1 no_timer_check';

const talkingInit = `#!/bin/busybox sh
echo TINY-GUEST-UP
while read -r line; do
  [ "$line" = poweroff ] && /bin/busybox poweroff -f
  echo "heard: $line"
done
exec /bin/busybox sleep 1000000
`;
const poweroffInit = '#!/bin/busybox sh\nexec /bin/busybox poweroff -f\n';

let made: Promise<TinyGuest> | undefined;

/** Made once in a process, in a folder that goes with it; QEMU's user can read it. */
export function tinyGuest(): Promise<TinyGuest> {
  made ??= make();
  return made;
}

async function make(): Promise<TinyGuest> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-tiny-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  const guest = {
    kernelPath: await kernel(),
    initrdPath: join(folder, 'initrd'),
    poweroffInitrdPath: join(folder, 'poweroff-initrd'),
    diskPath: join(folder, 'disk.qcow2'),
  };
  await writeFile(guest.initrdPath, await initrd(talkingInit));
  await writeFile(guest.poweroffInitrdPath, await initrd(poweroffInit));
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', guest.diskPath, '64M']);
  return guest;
}

async function initrd(init: string): Promise<Buffer> {
  return cpioArchive([
    { kind: 'directory', path: 'bin' },
    { kind: 'directory', path: 'dev' },
    { kind: 'file', path: 'bin/busybox', mode: 0o755, content: await readFile('/bin/busybox') },
    { kind: 'file', path: 'init', mode: 0o755, content: Buffer.from(init) },
  ]);
}

/** That of an image that is built already, or else the one of Debian's cloud kernel package. */
async function kernel(): Promise<string> {
  // Set for a user who has no cache.
  if (process.env.TIDEPOOL_TEST_KERNEL) return process.env.TIDEPOOL_TEST_KERNEL;
  const cache = cacheDir();
  const built = globSync(join(cache, 'images/*/vmlinuz')).sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (built[0] !== undefined) return built[0];
  const kept = join(cache, 'test-kernel', 'vmlinuz');
  if (!existsSync(kept)) await downloadKernel(kept);
  return kept;
}

async function downloadKernel(target: string): Promise<void> {
  const { stdout } = await run('apt-cache', ['depends', '--important', 'linux-image-cloud-amd64']);
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (name === undefined) throw new Error(`linux-image-cloud-amd64 names no kernel:\n${stdout}`);
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-kernel-'));
  try {
    await run('apt-get', ['download', name], { cwd: folder });
    await run('dpkg-deb', ['-x', ...globSync(join(folder, '*.deb')), folder]);
    const [found] = globSync(join(folder, 'boot/vmlinuz-*'));
    if (found === undefined) throw new Error(`${name} holds no kernel`);
    await mkdir(join(target, '..'), { recursive: true });
    await writeFile(`${target}.partial-${process.pid}`, await readFile(found));
    await rename(`${target}.partial-${process.pid}`, target);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function cacheDir(): string {
  if (process.env.TIDEPOOL_CACHE_DIR) return process.env.TIDEPOOL_CACHE_DIR;
  return process.getuid?.() === 0 ? '/var/cache/tidepool' : join(homedir(), '.cache', 'tidepool');
}
