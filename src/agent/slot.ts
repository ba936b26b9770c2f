import { closeSync, constants, openSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Cgroup } from './cgroup.ts';
import type { AgentClock } from './clock.ts';
import { jobUid, uidsPerContainer } from './container-spec.ts';
import { type Launcher, startLauncher } from './launcher.ts';
import { type DiskQuota, diskQuota } from './limits.ts';
import type { AgentPaths } from './paths.ts';
import { removeContents, removeTree } from './remove-tree.ts';

/**
 * A place where one attempt can run at a time: a folder with its own disk quota, a range of user ids, pipes, a cgroup,
 * and a launcher that waits in it. Prepared ahead, so that starting a job starts no other process than its own.
 */
export interface Slot {
  readonly number: number;
  /** The job's /work: owned by its user id, empty. */
  readonly workPath: string;
  /** In memory: pipes, the container's configuration (`config.json`), crun's log (`log`). */
  readonly runPath: string;
  readonly containerId: string;
  /** crun's own record of the container; left behind when crun is killed with it. */
  readonly crunPath: string;
  readonly firstUid: number;
  readonly cgroup: Cgroup;
  readonly launcher: Launcher;
  /** What its launcher's script has as `$1` and so on. */
  readonly launcherWords: readonly string[];
  readonly quota: DiskQuota;
}

const firstJobUid = 100_000;
const firstProjectId = 1_000;
/** What a job gets unless it asks for another limit (domain/limits.ts); another one costs a process at its start. */
const preparedQuota = diskQuota(1024 ** 3);

export const maxSlots = 256;

const names = 'folder=$1 run=$2 project=$3 blocks=$4 inodes=$5 quotas=$8\n';
const prepareScript = `
if [ -n "$quotas" ]; then
  chattr +P -p "$project" "$folder"
  setquota -P "$project" 0 "$blocks" 0 "$inodes" "$quotas"
else
  while busybox umount "$folder" 2>/dev/null; do :; done
  busybox mount -t tmpfs -o "mode=711,nosuid,nodev,size=\${blocks}k,nr_inodes=$inodes" slot "$folder"
fi
busybox mkfifo -m 600 "$run/stdout" "$run/stderr" "$run/status"
`;

// crun's own complaints go to its log; what it inherits as stdout and stderr is the job's.
const becomeCrun = `
if [ -n "$extra" ]; then
  blocks=\${extra% *} inodes=\${extra#* }
  if [ -n "$quotas" ]; then setquota -P "$project" 0 "$blocks" 0 "$inodes" "$quotas"
  else busybox mount -o "remount,size=\${blocks}k,nr_inodes=$inodes" "$folder"; fi
fi
exec crun --root "$7" --log "$run/log" --cgroup-manager=disabled run --config "$run/config.json" "$6" \
  </dev/null >"$run/stdout" 2>"$run/stderr"
`;

/** User ids of a container; `index` counts slots first and compile checkers after them. */
export function firstUidOf(index: number): number {
  return firstJobUid + index * uidsPerContainer;
}

/** A slot's folder on the root disk; the quota is set on it. */
export function slotFolder(paths: AgentPaths, number: number): string {
  return join(paths.state, 'slots', String(number));
}

/** Makes a slot ready. Whatever an earlier attempt left in it is removed. */
export async function prepareSlot(number: number, paths: AgentPaths, clock: AgentClock): Promise<Slot> {
  const folder = slotFolder(paths, number);
  const run = join(paths.run, 'slots', String(number));
  const workPath = join(folder, 'work');
  const firstUid = firstUidOf(number);
  const owner = firstUid + jobUid;
  const containerId = `attempt-${number}`;
  const cgroup = new Cgroup(join(paths.cgroups, 'jobs', String(number)));
  // An attempt that was never run leaves its launcher waiting.
  await cgroup.killAll(clock);
  cgroup.remove();
  await removeContents(folder);
  await mkdir(folder, { recursive: true, mode: 0o711 });
  await removeContents(run);
  await mkdir(run, { recursive: true, mode: 0o711 });

  const numbers = [firstProjectId + number, preparedQuota.blocksKiB, preparedQuota.inodes].map(String);
  const launcherWords = [folder, run, ...numbers, containerId, paths.crun, paths.quotas ?? ''];
  const launcher = await startLauncher(names + prepareScript, becomeCrun, launcherWords);
  cgroup.create({});
  cgroup.add(launcher.pid);
  await mkdir(workPath, { mode: 0o700 });
  await chown(workPath, owner, owner);
  for (const name of ['stdout', 'stderr', 'status']) await chown(join(run, name), owner, owner);
  const crunPath = join(paths.crun, containerId);
  await removeTree(crunPath);
  const places = { workPath, runPath: run, crunPath, firstUid, cgroup };
  return { number, ...places, containerId, launcher, launcherWords, quota: preparedQuota };
}

/** Makes a slot whose container ended ready for another run in the same folder. */
export async function renewSlot(slot: Slot): Promise<Slot> {
  await removeTree(join(slot.runPath, 'log'));
  const launcher = await startLauncher(names, becomeCrun, slot.launcherWords);
  slot.cgroup.create({});
  slot.cgroup.add(launcher.pid);
  return { ...slot, launcher };
}

/** The agent's end of a slot's pipes. */
export interface SlotPipes {
  readonly stdout: Socket;
  readonly stderr: Socket;
  readonly status: Socket;
  /** To be called when no process of the job is left: the pipes then end once they are read empty. */
  release(): void;
  /** Closes them, whatever is still in them. */
  destroy(): void;
}

/**
 * Opens a slot's named pipes for reading. They are pipes and not the socket pairs that Node would make, so that a script
 * can open /dev/stdout. A writing end of our own keeps them from ending before the container has opened its own.
 */
export function openPipes(slot: Slot): SlotPipes {
  let writers: number[] = [];
  const openPipe = (name: string): Socket => {
    const path = join(slot.runPath, name);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    writers.push(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    // Read only when somebody waits for it: what is not read yet gathers in the pipe, and holds the script back there.
    const options = { fd: reader, readable: true, writable: false, readableHighWaterMark: 1 };
    return new Socket(options);
  };
  const pipes = { stdout: openPipe('stdout'), stderr: openPipe('stderr'), status: openPipe('status') };
  const release = (): void => {
    for (const writer of writers) closeSync(writer);
    writers = [];
  };
  const destroy = (): void => {
    release();
    for (const pipe of Object.values(pipes)) pipe.destroy();
  };
  return { ...pipes, release, destroy };
}
