import { readFileSync, writeFileSync } from 'node:fs';
import { readFile, statfs } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { Cgroup } from './cgroup.ts';
import type { AgentClock } from './clock.ts';
import { agentCgroupSettings, jobCapacity, jobsCgroupSettings, type MachineFacts } from './limits.ts';
import type { AgentPaths } from './paths.ts';
import { removeContents } from './remove-tree.ts';

/** The kernel counts a disk's size in these, whatever the disk's own are. */
const sectorBytes = 512;

/** The VM's size, before any reserve. */
export async function readMachineFacts(paths: AgentPaths): Promise<MachineFacts> {
  return { cpus: cpus().length, memoryBytes: totalmem(), diskBytes: await readDiskBytes(paths) };
}

/** The disk, not its file system: that is grown to the disk only after the agent has started. */
async function readDiskBytes(paths: AgentPaths): Promise<number> {
  try {
    return Number(await readFile(paths.rootDiskSize, 'utf8')) * sectorBytes;
  } catch {
    const { blocks, bsize } = await statfs(paths.state);
    return blocks * bsize;
  }
}

/** The kernel's own name for this boot. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** The bundle's content hash, which the image build writes beside it. */
export async function readVersion(bundlePath: string): Promise<string> {
  const text = await readFile(join(bundlePath, '..', 'agent-version'), 'utf8').catch(() => 'unknown');
  return text.trim();
}

/**
 * Ends whatever an earlier agent process left running, and sets up the cgroups: the agent's own, protected one, and the
 * one above all jobs, which together they cannot leave.
 * @param machine what there is for jobs and the agent; gives what there is for jobs
 */
export async function takeOver(
  paths: AgentPaths,
  clock: AgentClock,
  pid: number,
  machine: MachineFacts,
): Promise<MachineFacts> {
  const jobs = new Cgroup(join(paths.cgroups, 'jobs'));
  await jobs.killAll(clock);
  jobs.remove();
  // crun's state of containers that are no more.
  await removeContents(paths.run);
  const capacity = jobCapacity(machine);
  const own = new Cgroup(join(paths.cgroups, 'agent'));
  own.create(agentCgroupSettings);
  own.add(pid);
  jobs.create(jobsCgroupSettings(capacity));
  return capacity;
}

/** The kernel must never choose the agent when memory is short; init says so too, for agents that it starts. */
export function protectFromOom(): void {
  writeFileSync('/proc/self/oom_score_adj', '-1000');
}
