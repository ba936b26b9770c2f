/** Where things are in the guest; a machine that is no VM has other folders. */
export interface AgentPaths {
  /** On the root disk, which has project quotas: `logs/` and `slots/`. */
  readonly state: string;
  /** What is known of attempts; in memory, and outside `run`, because it outlives the agent. */
  readonly records: string;
  /** In memory: pipes, container configurations. */
  readonly run: string;
  /** In memory: crun's state of each container. */
  readonly crun: string;
  readonly runtimes: string;
  /** The Python package that services use. */
  readonly python: string;
  /** The network namespace of services is mounted on this file; outside `run`, because it outlives the agent. */
  readonly serviceNetwork: string;
  /**
   * Where the file system of `state` is mounted, when it has project quotas. Null: it has none, and each slot is a file
   * system in memory, of the size of its limit.
   */
  readonly quotas: string | null;
  /** Size of the root disk in sectors. */
  readonly rootDiskSize: string;
  readonly cgroups: string;
  /** fw_cfg blobs, as the kernel shows them. */
  readonly secrets: string;
}

export const guestPaths: AgentPaths = {
  state: '/var/lib/tidepool',
  records: '/run/attempts',
  run: '/run/tidepool',
  crun: '/run/tidepool/crun',
  runtimes: '/runtimes',
  python: '/opt/tidepool/python',
  serviceNetwork: '/run/service-network',
  quotas: '/',
  rootDiskSize: '/sys/class/block/vda/size',
  cgroups: '/sys/fs/cgroup',
  secrets: '/sys/firmware/qemu_fw_cfg/by_name/opt/tidepool',
};
