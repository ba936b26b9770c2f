import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Cgroup } from './cgroup.ts';
import type { AgentClock } from './clock.ts';
import { jobUid, uidsPerContainer } from './container-spec.ts';
import { Launcher } from './launcher.ts';
import { type DiskQuota, diskQuota } from './limits.ts';
import type { AgentPaths } from './paths.ts';
import { removeContents, removeTree } from './remove-tree.ts';

/**
 * A place where one attempt can run at a time: a folder with its own disk quota, a range of user ids, pipes, a cgroup,
 * and a launcher that starts containers in it. Prepared ahead and used again, so that a job costs no other process than
 * its own.
 */
export interface Slot {
  readonly number: number;
  /** With a disk quota, for all that the job writes. */
  readonly folder: string;
  /** The job's /work: owned by its user id, empty. */
  readonly workPath: string;
  /** In memory: pipes, the container's configuration, crun's log. */
  readonly runPath: string;
  readonly configPath: string;
  readonly crunLogPath: string;
  /** Written by crun when the container's first process is there, and out of the job's reach. */
  readonly pidPath: string;
  /** crun's own record of the container; left behind when crun is killed with it. */
  readonly crunPath: string;
  readonly firstUid: number;
  readonly cgroup: Cgroup;
  readonly launcher: Launcher;
  /** What its folder has now; `startContainer` changes it. */
  quota: DiskQuota;
}

const firstJobUid = 100_000;
const firstProjectId = 1_000;
/** What a job gets unless it asks for another limit (domain/limits.ts); another one costs a process at its start. */
const preparedQuota = diskQuota(1024 ** 3);

/** The pipe that the container's init writes to. A script that writes there too lies about, or stops, nobody but itself. */
const maxStatusBytes = 4096;

const pipeMode = 0o666;
/** A folder of so much is removed at once; what is larger must not hold up others. */
const smallInodes = 100;
const smallBytes = 1024 * 1024;

// What crun runs and is comes into the cgroup before its first instruction; its own complaints go to its log, and what it
// inherits as stdout and stderr is the job's. It never runs outside the cgroup: `echo` fails, and it is not started.
const script = `
set -e
folder=$1 run=$2 project=$3 blocks=$4 inodes=$5 container=$6 state=$7 quotas=$8 cgroup=$9
if [ -n "$quotas" ]; then
  chattr +P -p "$project" "$folder"
  setquota -P "$project" 0 "$blocks" 0 "$inodes" "$quotas"
else
  while busybox umount "$folder" 2>/dev/null; do :; done
  busybox mount -t tmpfs -o "mode=711,nosuid,nodev,size=\${blocks}k,nr_inodes=$inodes" slot "$folder"
fi
busybox mkfifo -m 666 "$run/stdout" "$run/stderr" "$run/status"
echo ready
while read -r quota; do
  if [ -n "$quota" ]; then
    blocks=\${quota% *} inodes=\${quota#* }
    if [ -n "$quotas" ]; then setquota -P "$project" 0 "$blocks" 0 "$inodes" "$quotas"
    else busybox mount -o "remount,size=\${blocks}k,nr_inodes=$inodes" "$folder"; fi
  fi
  code=0
  (
    { echo 0 >"$cgroup/cgroup.procs"; } 2>>"$run/log" || exit 125
    exec crun --root "$state" --log "$run/log" --cgroup-manager=disabled run --pid-file "$run/pid" \
      --config "$run/config.json" "$container" </dev/null >"$run/stdout" 2>"$run/stderr"
  ) || code=$?
  echo "$code"
done
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
  const runPath = join(paths.run, 'slots', String(number));
  const containerId = `attempt-${number}`;
  const cgroup = new Cgroup(join(paths.cgroups, 'jobs', String(number)));
  await cgroup.killAll(clock);
  cgroup.remove();
  await removeContents(folder);
  await mkdir(folder, { recursive: true, mode: 0o711 });
  await removeContents(runPath);
  await mkdir(runPath, { recursive: true, mode: 0o711 });
  const crunPath = join(paths.crun, containerId);
  await removeTree(crunPath);
  const quota = preparedQuota;
  const numbers = [firstProjectId + number, quota.blocksKiB, quota.inodes].map(String);
  const words = [folder, runPath, ...numbers, containerId, paths.crun, paths.quotas ?? '', cgroup.path];
  const launcher = await Launcher.start(script, words);
  const inRun = {
    runPath,
    configPath: `${runPath}/config.json`,
    crunLogPath: `${runPath}/log`,
    pidPath: `${runPath}/pid`,
  };
  const places = { folder, workPath: `${folder}/work`, ...inRun, crunPath };
  const slot = { number, ...places, firstUid: firstUidOf(number), cgroup, launcher, quota };
  try {
    renewSlot(slot);
    makeWork(slot);
    return slot;
  } catch (error) {
    launcher.end();
    throw error;
  }
}

/** Makes a slot in which nothing runs any more ready for another job: what the last one left is removed. */
export async function resetSlot(slot: Slot): Promise<void> {
  const { folder } = slot;
  // In the folder itself nobody but the agent makes anything.
  if (isSmall(folder)) for (const name of readdirSync(folder)) rmSync(`${folder}/${name}`, { recursive: true });
  else await removeContents(folder);
  renewSlot(slot);
  makeWork(slot);
}

/**
 * Makes a slot whose container ended ready for another run in the same folder. crun gives the job its stdout and stderr, so
 * it may have changed their mode; the other pipe is root's.
 */
export function renewSlot({ runPath, crunLogPath, pidPath }: Pick<Slot, 'runPath' | 'crunLogPath' | 'pidPath'>): void {
  for (const name of ['stdout', 'stderr']) chmodSync(`${runPath}/${name}`, pipeMode);
  writeFileSync(crunLogPath, '');
  rmSync(pidPath, { force: true });
}

/** Whether a slot's folder is emptied in a moment, by what its quota counts. */
function isSmall(folder: string): boolean {
  const { files, ffree, blocks, bfree, bsize } = statfsSync(folder);
  return files - ffree <= smallInodes && (blocks - bfree) * bsize <= smallBytes;
}

/**
 * Runs the slot's container as its `config.json` says, in its cgroup, which must be there. Resolves when crun has ended, with
 * its exit code: above 128 when a signal ended it. Error: `internal` when it could not be started.
 */
export function startContainer(slot: Slot, quota: DiskQuota): Promise<number> {
  const { blocksKiB, inodes } = quota;
  const isSame = blocksKiB === slot.quota.blocksKiB && inodes === slot.quota.inodes;
  slot.quota = quota;
  return slot.launcher.run(isSame ? '' : `${blocksKiB} ${inodes}`);
}

function makeWork({ workPath, firstUid }: Pick<Slot, 'workPath' | 'firstUid'>): void {
  mkdirSync(workPath, { mode: 0o700 });
  chownSync(workPath, firstUid + jobUid, firstUid + jobUid);
}

/** What a pipe holds, at most `maxStatusBytes`; '' when it is empty. */
function readNow(pipe: number): string {
  const bytes = Buffer.alloc(maxStatusBytes);
  try {
    return bytes.toString('utf8', 0, readSync(pipe, bytes));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return '';
    throw error;
  }
}

/** The agent's end of a slot's pipes. */
export interface SlotPipes {
  readonly stdout: Socket;
  readonly stderr: Socket;
  /** What is in it, so far as the program was let write: it is not read before. To be called once. */
  readStatus(): string;
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
  const open: number[] = [];
  const openPipe = (name: string, flags: number): number => {
    const pipe = openSync(`${slot.runPath}/${name}`, flags | constants.O_NONBLOCK);
    open.push(pipe);
    return pipe;
  };
  try {
    const readers = { stdout: openPipe('stdout', constants.O_RDONLY), stderr: openPipe('stderr', constants.O_RDONLY) };
    const writers = [openPipe('stdout', constants.O_WRONLY), openPipe('stderr', constants.O_WRONLY)];
    // Open for writing too: it then has no end, and is there before the container's own end of it.
    return slotPipes(readers, writers, openPipe('status', constants.O_RDWR));
  } catch (error) {
    for (const pipe of open) closeSync(pipe);
    throw error;
  }
}

function slotPipes(readers: { stdout: number; stderr: number }, ownWriters: number[], status: number): SlotPipes {
  let writers = ownWriters;
  // Read only when somebody waits for it: what is not read yet gathers in the pipe, and holds the script back there.
  const options = { readable: true, writable: false, readableHighWaterMark: 1 };
  const read = (fd: number): Socket => new Socket({ fd, ...options });
  const pipes = { stdout: read(readers.stdout), stderr: read(readers.stderr) };
  const release = (): void => {
    for (const writer of writers) closeSync(writer);
    writers = [];
  };
  const destroy = (): void => {
    release();
    closeSync(status);
    for (const pipe of Object.values(pipes)) pipe.destroy();
  };
  return { ...pipes, readStatus: () => readNow(status), release, destroy };
}
