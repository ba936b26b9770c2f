import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { MachineFacts } from '../agent/limits.ts';
import { TidepoolError } from '../domain/errors.ts';
import { folderDisk } from '../files/disk.ts';
import { agentSlots } from '../protocol/agent.ts';
import { mountOf, readMounts } from './mounts.ts';

const run = promisify(execFile);
const controllers = ['cpu', 'memory', 'pids'];
/** No slot has it. */
const trialProject = '999';

/** Without quotas a job's files are in memory and count as its memory, which is promised once already. */
const inMemoryBytes = agentSlots * 1024 ** 4;

/** What of the machine is given to jobs and the agent together. */
export interface Share {
  readonly cpus?: number;
  readonly memoryBytes?: number;
}

/**
 * Makes the cgroup that all of a worker is in, with the controllers that limit jobs. In a container whose own cgroup is the
 * root that we see, its processes are moved into an inner one first, since the kernel limits only leaves.
 * Error: `unavailable` when there are no cgroups of version 2 that may be changed.
 */
export async function makeCgroup(root: string, name: string): Promise<string> {
  const there = await readFile(join(root, 'cgroup.controllers'), 'utf8').catch(() => '');
  const missing = controllers.filter((one) => !there.trim().split(' ').includes(one));
  if (missing.length > 0) {
    const text = `jobs cannot be limited here: ${root} has no cgroups of version 2 with ${missing.join(', ')}`;
    throw new TidepoolError('unavailable', text);
  }
  try {
    await handOn(root);
    const own = join(root, name);
    await mkdir(own, { recursive: true });
    await handOn(own);
    return own;
  } catch (cause) {
    throw new TidepoolError('unavailable', `the cgroups in ${root} cannot be changed; a worker runs as root`, {
      cause,
    });
  }
}

async function handOn(cgroup: string): Promise<void> {
  const words = controllers.map((one) => `+${one}`).join(' ');
  const write = (): Promise<void> => writeFile(join(cgroup, 'cgroup.subtree_control'), words);
  await write().catch(async () => {
    const inner = join(cgroup, 'init');
    await mkdir(inner, { recursive: true });
    const pids = (await readFile(join(cgroup, 'cgroup.procs'), 'utf8')).split('\n').filter((pid) => pid !== '');
    // One that ended meanwhile need not be moved.
    for (const pid of pids) await writeFile(join(inner, 'cgroup.procs'), pid).catch(() => undefined);
    await write();
  });
}

/** Where the folder's file system is mounted, if it has project quotas that can be set; else null. */
export async function quotaMount(folder: string): Promise<string | null> {
  const mount = mountOf(folder, await readMounts());
  if (mount === undefined || !mount.options.includes('prjquota')) return null;
  const tried = run('setquota', ['-P', trialProject, '0', '0', '0', '0', mount.path]);
  return tried.then(
    () => mount.path,
    () => null,
  );
}

/** What jobs and the agent may use. */
export async function machineFacts(
  cgroups: string,
  folder: string,
  hasQuotas: boolean,
  share: Share,
): Promise<MachineFacts> {
  const limit = Number(await readFile(join(cgroups, 'memory.max'), 'utf8').catch(() => 'max'));
  const there = Number.isNaN(limit) ? totalmem() : Math.min(limit, totalmem());
  const memoryBytes = Math.min(share.memoryBytes ?? there, there);
  const { freeBytes } = await folderDisk(folder).space();
  const diskBytes = hasQuotas ? freeBytes : inMemoryBytes;
  return { cpus: Math.min(share.cpus ?? cpus().length, cpus().length), memoryBytes, diskBytes };
}
