import { chmod, copyFile, mkdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import type { AgentBundle } from './bundle-agent.ts';
import type { RunCommand } from './command.ts';
import type { GuestFile } from './guest-files.ts';
import type { HostFacts } from './host.ts';
import { busyboxLinks, guestPrograms } from './recipe.ts';

/** Folders that must exist: mount points, and homes of what the guest writes. */
const emptyFolders = ['dev', 'proc', 'sys', 'run', 'tmp', 'root', 'runtimes', 'var/lib/tidepool', 'opt/tidepool'];

/**
 * Lays out the guest's root file system in `root` from the unpacked packages in `packages`: the programs of the
 * recipe with their libraries, Node, the agent, our own files. Nothing else of the packages comes along.
 */
export async function layOutRoot(options: {
  readonly root: string;
  readonly packages: string;
  readonly nodePath: string;
  readonly agentBundle: AgentBundle;
  readonly guestFiles: readonly GuestFile[];
  readonly host: HostFacts;
  readonly run: RunCommand;
}): Promise<void> {
  const { root, packages } = options;
  for (const folder of emptyFolders) await mkdir(join(root, folder), { recursive: true });
  for (const folder of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(root, 'usr', folder), { recursive: true });
    await symlink(`usr/${folder}`, join(root, folder));
  }
  for (const program of guestPrograms) await copyInto(root, program, join(packages, program));
  await copyInto(root, 'usr/local/bin/node', await realpath(options.nodePath));
  await copyLibraries(root, packages, [...guestPrograms, 'usr/local/bin/node'], options);
  for (const name of busyboxLinks) await symlink('busybox', join(root, 'usr/bin', name));
  await symlink('../bin/busybox', join(root, 'usr/sbin/init'));
  for (const file of [...options.guestFiles, ...options.agentBundle.files])
    await writeInto(root, file.path, file.mode, file.content);
  await writeInto(root, 'opt/tidepool/agent.mjs', 0o644, options.agentBundle.code);
  await writeInto(root, 'opt/tidepool/agent-version', 0o644, options.agentBundle.version);
  await writeInto(root, 'etc/machine-id', 0o444, '');
  await symlink('/run/resolv.conf', join(root, 'etc/resolv.conf'));
}

async function copyInto(root: string, path: string, from: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await copyFile(from, join(root, path));
  // Without set-user-id bits: only root logs in.
  await chmod(join(root, path), 0o755);
}

/** Writes one file of the guest with exactly this mode. */
export async function writeInto(root: string, path: string, mode: number, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
  await chmod(join(root, path), mode);
}

/**
 * Copies the shared libraries that the programs need. The packages' own dynamic linker lists them (`--list`
 * resolves and prints, it does not run the program).
 */
async function copyLibraries(
  root: string,
  packages: string,
  programs: readonly string[],
  options: { readonly host: HostFacts; readonly run: RunCommand },
): Promise<void> {
  const folder = join('usr/lib', `${options.host.architecture}-linux-gnu`);
  const linker = linkers[options.host.architecture];
  const libraries = new Set<string>([linker.name]);
  for (const program of programs) {
    const path = join(root, program);
    if (!(await isDynamic(path))) continue;
    const list = await options.run({
      program: join(packages, folder, linker.name),
      args: ['--inhibit-cache', '--library-path', join(packages, folder), '--list', path],
      stdout: 'keep',
    });
    for (const library of listedLibraries(list, join(packages, folder), program)) libraries.add(library);
  }
  for (const name of libraries) await copyInto(root, join(folder, name), join(packages, folder, name));
  await mkdir(join(root, linker.folder), { recursive: true });
  await symlink(`/${folder}/${linker.name}`, join(root, linker.folder, linker.name));
}

/** The dynamic linker, and the folder where every program expects it. */
const linkers = {
  x86_64: { name: 'ld-linux-x86-64.so.2', folder: 'usr/lib64' },
  aarch64: { name: 'ld-linux-aarch64.so.1', folder: 'usr/lib' },
} as const;

/** Names of the libraries in the dynamic linker's list. Error: `internal` when one is not in the given folder. */
export function listedLibraries(list: string, folder: string, program: string): string[] {
  const names: string[] = [];
  for (const line of list.split('\n')) {
    const library = / => (.*) \(0x/.exec(line)?.[1];
    if (library?.startsWith(`${folder}/`) === true) names.push(library.slice(folder.length + 1));
    else if (line.includes(' => ') && !line.includes('ld-linux')) {
      throw new TidepoolError('internal', `a library of the guest's ${program} is not in its packages: ${line.trim()}`);
    }
  }
  return names;
}

/** A program that names a dynamic linker has the linker's path in its first bytes. */
async function isDynamic(path: string): Promise<boolean> {
  const content = await readFile(path);
  return content.subarray(0, 4096).includes('/ld-linux-');
}

/** Bytes of the guest's disk as built; a machine's overlay is as large as its flavor says, and the guest grows into it. */
export const diskSizeMiB = 2048;

/**
 * Makes the qcow2 of the laid-out folder. As an ordinary user through fakeroot, so that all files belong to root.
 */
export async function makeDisk(options: {
  readonly root: string;
  readonly work: string;
  readonly target: string;
  readonly host: HostFacts;
  readonly run: RunCommand;
}): Promise<void> {
  const raw = join(options.work, 'disk.raw');
  const script = [
    'set -e',
    'chown -R 0:0 "$1"',
    // No journal: a guest that crashed is replaced, never started again from its disk.
    // lazy_itable_init and the mount option noinit_itable: inode tables of fresh clones are holes, so zero already.
    `mke2fs -q -t ext4 -F -d "$1" -m 0 -L tidepool -O quota,project,^has_journal -I 256 \\
      -E lazy_itable_init=1,nodiscard,root_owner=0:0,quotatype=prjquota "$2" ${diskSizeMiB}M`,
  ].join('\n');
  const args = ['sh', '-c', script, 'sh', options.root, raw];
  await options.run(
    options.host.isRoot ? { program: 'sh', args: args.slice(1) } : { program: 'fakeroot', args: ['--', ...args] },
  );
  await options.run({
    program: 'qemu-img',
    args: ['convert', '-f', 'raw', '-O', 'qcow2', '-o', 'compat=1.1,lazy_refcounts=on', raw, options.target],
  });
  await rm(raw);
}
