import { seccompProfile } from './seccomp.ts';

/** What one container is to be. */
export interface ContainerOptions {
  readonly rootPath: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** First of 65,536 user and group ids of the guest that belong to this container alone. */
  readonly firstUid: number;
  readonly tmpBytes: number;
  /** Folder of the guest that is the writable working directory; without it there is none. */
  readonly workPath?: string;
  /** Where the container sees it; /work unless given. */
  readonly workFolder?: string;
  /** Whom the container's processes take themselves for; `jobUid` unless given. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** File of a network namespace to join; without it the container has one of its own with nothing but loopback. */
  readonly networkPath?: string;
  readonly hostname?: string;
  /** Small folders in memory, that `files` may be put into. */
  readonly emptyFolders?: readonly string[];
  /** Files and folders of the guest to be seen under another name, e.g. busybox as /dev/busybox. */
  readonly files?: readonly { readonly from: string; readonly to: string; readonly writable: boolean }[];
}

const none: readonly string[] = [];
const noCapabilities = { bounding: none, effective: none, inheritable: none, permitted: none, ambient: none };

/** User id of the job inside its container. */
export const jobUid = 1000;
export const uidsPerContainer = 65_536;

/**
 * The OCI runtime configuration (opencontainers/runtime-spec 1.0) of a container. Resource limits are not in it: the
 * agent makes the cgroup itself and crun starts inside.
 */
export function containerSpec(options: ContainerOptions) {
  const { user = { uid: jobUid, gid: jobUid }, firstUid, workPath, workFolder = '/work' } = options;
  return {
    ociVersion: '1.0.2',
    hostname: options.hostname ?? 'job',
    root: { path: options.rootPath, readonly: true },
    process: {
      terminal: false,
      user,
      args: options.argv,
      env: Object.entries(options.environment).map(([name, value]) => `${name}=${value}`),
      cwd: workPath === undefined ? '/' : workFolder,
      noNewPrivileges: true,
      capabilities: noCapabilities,
      rlimits: [
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
        { type: 'RLIMIT_NOFILE', soft: 1024, hard: 65_536 },
      ],
      // The agent is never killed for memory (-1000) and children inherit that, so this must be said.
      oomScoreAdj: 500,
    },
    mounts: [
      ...kernelMounts(options.tmpBytes),
      ...(options.emptyFolders ?? []).map((path) =>
        tmpfs(path, ['nodev', 'noexec', 'mode=755', 'size=64k', 'nr_inodes=64']),
      ),
      ...fileMounts(options),
      ...workMount(workPath, workFolder),
    ],
    linux: {
      namespaces: [
        ...['pid', 'ipc', 'uts', 'mount', 'cgroup', 'user'].map((type) => ({ type })),
        { type: 'network', ...(options.networkPath === undefined ? {} : { path: options.networkPath }) },
      ],
      uidMappings: idMappings(firstUid, user.uid),
      gidMappings: idMappings(firstUid, user.gid),
      maskedPaths,
      readonlyPaths,
      seccomp: seccompProfile,
    },
  };
}

/**
 * The container's ids in the guest: each is `firstUid` and itself, but that the given one and `jobUid` have changed
 * places. So whoever the container runs as, in the guest it is the one whom the slot's files belong to.
 */
function idMappings(firstUid: number, id: number): { containerID: number; hostID: number; size: number }[] {
  const [low, high] = [Math.min(id, jobUid), Math.max(id, jobUid)];
  const range = (containerID: number, hostID: number, size: number) => ({
    containerID,
    hostID: firstUid + hostID,
    size,
  });
  const ranges =
    low === high
      ? [range(0, 0, uidsPerContainer)]
      : [
          range(0, 0, low),
          range(low, high, 1),
          range(low + 1, low + 1, high - low - 1),
          range(high, low, 1),
          range(high + 1, high + 1, uidsPerContainer - high - 1),
        ];
  return ranges.filter(({ size }) => size > 0);
}

interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** tmpfs pages count as memory of the job. */
function kernelMounts(tmpBytes: number): Mount[] {
  const size = `size=${Math.floor(tmpBytes)}`;
  const inodes = `nr_inodes=${Math.max(1_024, Math.floor(tmpBytes / 4096))}`;
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'nodev', 'noexec'] },
    tmpfs('/dev', ['noexec', 'mode=755', 'size=64k', 'nr_inodes=64']),
    tmpfs('/dev/shm', ['noexec', 'mode=1777', size, inodes]),
    tmpfs('/tmp', ['nodev', 'mode=1777', size, inodes]),
  ];
}

function tmpfs(destination: string, options: readonly string[]): Mount {
  return { destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', ...options] };
}

function fileMounts(options: ContainerOptions): Mount[] {
  return (options.files ?? []).map(({ from, to, writable }) => ({
    destination: to,
    type: 'bind',
    source: from,
    options: ['bind', 'nosuid', 'nodev', writable ? 'rw' : 'ro'],
  }));
}

function workMount(workPath: string | undefined, destination: string): Mount[] {
  if (workPath === undefined) return [];
  return [{ destination, type: 'bind', source: workPath, options: ['bind', 'rw', 'nosuid', 'nodev'] }];
}

// What /proc tells or changes beyond the container's own processes.
const maskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kallsyms',
  '/proc/kcore',
  '/proc/keys',
  '/proc/kmsg',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
];
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** The script's environment. A caller's own values win, but for none that name what the container is. */
export function jobEnvironment(cpus: number, own: Readonly<Record<string, string>>): Record<string, string> {
  const threads = String(Math.max(1, Math.floor(cpus)));
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/tmp',
    LANG: 'C.UTF-8',
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    MPLBACKEND: 'Agg',
    MPLCONFIGDIR: '/tmp/matplotlib',
    // Numeric libraries start a thread for every CPU that they see, not for every CPU that the cgroup allows.
    OMP_NUM_THREADS: threads,
    OPENBLAS_NUM_THREADS: threads,
    MKL_NUM_THREADS: threads,
    NUMEXPR_NUM_THREADS: threads,
    ...own,
  };
}
