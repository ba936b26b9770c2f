/** Something of the system that Tidepool needs. Package names are Debian's, except where a distribution has its own. */
export interface Requirement {
  readonly name: string;
  /** What it is for, for a person. */
  readonly purpose: string;
  /** One of these must be there: a bare name is a command, a path is a file. */
  readonly anyOf: readonly string[];
  /** More commands and files of the same packages that are used; all of them must be there. */
  readonly also?: readonly string[];
  readonly packages: readonly string[];
  /** Packages on distributions (`debian-13`) that name or split them otherwise. */
  readonly packagesOn?: Readonly<Record<string, readonly string[]>>;
}

/** One thing that is needed, and whether it is there. */
export interface Check {
  readonly name: string;
  readonly purpose: string;
  readonly ok: boolean;
  /** Where it was found, or what is wrong. */
  readonly detail: string;
  /** Command that mends it; '' when it is there. */
  readonly fix: string;
  /** Packages that bring it, when packages do; empty when it is there. */
  readonly packages: readonly string[];
}

/**
 * Who needs a requirement. `start`: the launchers, before anything of ours runs; `check`: the fast stages of the tests, which install nothing; `test`: the other stages,
 * which need all of `server` too; `bench`: benches, likewise; `dockerfile`: `runtime add --dockerfile` where there is no Docker; `pip`: a server that installs requirements of jobs.
 */
export type Need = 'start' | 'check' | 'server' | 'worker' | 'dockerfile' | 'pip' | 'test' | 'bench';

/** One row of the table. */
export interface SystemRequirement extends Requirement {
  /** Empty for something that is used where it is there, and never asked for. */
  readonly neededBy: readonly Need[];
}

/**
 * Every program and file of the system that product, tests and benches use. `test/tidy/programs.ts` reads the names from
 * the code and fails for one that is missing here. Tried on Debian 12; the names for Debian 13, Ubuntu 22.04 and 24.04 are
 * from their package lists and untested.
 */
export const systemRequirements: readonly SystemRequirement[] = [
  {
    // Packages that Debian calls essential or required: they are on every machine, and the fast tests may use them.
    name: 'base system',
    purpose: 'has the shell and the basic commands',
    neededBy: ['start', 'check', 'server', 'worker', 'test', 'bench'],
    anyOf: ['sh'],
    also: [
      ...['cat', 'chgrp', 'chmod', 'chown', 'chroot', 'date', 'du', 'echo', 'env', 'id', 'ln', 'ls', 'mkdir', 'mkfifo'],
      ...['dirname', 'printf', 'readlink', 'rm', 'seq', 'sha256sum', 'sleep', 'sync', 'timeout', 'true', 'uname', 'wc'],
      ...[
        'fallocate',
        'flock',
        'nsenter',
        'prlimit',
        'runuser',
        'taskset',
        'unshare',
        'mount',
        'umount',
        'find',
        'perl',
        'tar',
      ],
      ...['/etc/os-release', '/etc/passwd'],
    ],
    packages: [
      'dash',
      'coreutils',
      'util-linux',
      'mount',
      'findutils',
      'perl-base',
      'tar',
      'base-files',
      'base-passwd',
    ],
  },
  {
    name: 'Node and npm',
    purpose: 'install the npm packages, with the Node that runs everything else',
    neededBy: ['start'],
    anyOf: ['node'],
    also: ['npm'],
    packages: ['nodejs', 'npm'],
  },
  {
    // The bootstrap installs it where it is missing (scripts/install.mjs): a bare Debian with nodejs and npm has none.
    name: 'libatomic',
    purpose: 'is a library of the Node that comes as an npm package',
    neededBy: ['start'],
    anyOf: ['/usr/lib/x86_64-linux-gnu/libatomic.so.1', '/usr/lib/aarch64-linux-gnu/libatomic.so.1'],
    packages: ['libatomic1'],
  },
  {
    name: 'apt',
    purpose: 'brings packages: for the system, the golden image and runtimes',
    neededBy: ['start', 'server'],
    anyOf: ['apt-get'],
    also: ['apt-cache', 'apt-config', 'dpkg-deb', '/etc/apt'],
    packages: ['apt', 'dpkg'],
  },
  {
    name: 'QEMU',
    purpose: 'runs the virtual machines',
    neededBy: ['server'],
    anyOf: ['qemu-system-x86_64'],
    packages: ['qemu-system-x86'],
  },
  {
    name: 'qemu-img',
    purpose: 'makes the disk of the golden image',
    neededBy: ['server'],
    anyOf: ['qemu-img'],
    packages: ['qemu-utils'],
  },
  {
    name: 'libvirt daemon',
    purpose: 'controls the virtual machines',
    neededBy: ['server'],
    anyOf: ['libvirtd', 'virtqemud'],
    packages: ['libvirt-daemon', 'libvirt-daemon-system'],
  },
  {
    name: 'libvirt QEMU driver',
    purpose: 'lets libvirt drive QEMU',
    neededBy: ['server'],
    anyOf: driver('qemu'),
    packages: ['libvirt-daemon-driver-qemu'],
  },
  {
    name: 'libvirt storage driver',
    purpose: 'makes the disks of clones',
    neededBy: ['server'],
    anyOf: driver('storage'),
    packages: ['libvirt-daemon'],
    packagesOn: { 'debian-13': ['libvirt-daemon-driver-storage'] },
  },
  {
    name: 'virtlogd',
    purpose: 'keeps the consoles of the virtual machines',
    neededBy: ['server'],
    anyOf: ['virtlogd'],
    packages: ['libvirt-daemon'],
    packagesOn: { 'debian-13': ['libvirt-daemon-log'] },
  },
  {
    name: 'mmdebstrap',
    purpose: 'unpacks the packages of the golden image and of runtimes',
    neededBy: ['server'],
    anyOf: ['mmdebstrap'],
    packages: ['mmdebstrap'],
  },
  {
    name: 'mke2fs',
    purpose: 'makes the file system of the golden image',
    neededBy: ['server'],
    anyOf: ['mke2fs'],
    also: ['mkfs.ext4'],
    packages: ['e2fsprogs'],
  },
  {
    name: 'mksquashfs',
    purpose: 'makes the read-only disks of runtimes',
    neededBy: ['server', 'pip'],
    anyOf: ['mksquashfs'],
    packages: ['squashfs-tools'],
  },
  {
    name: 'unsquashfs',
    purpose: 'unpacks runtimes, also where they cannot be mounted',
    neededBy: ['server', 'pip', 'worker'],
    anyOf: ['unsquashfs'],
    packages: ['squashfs-tools'],
  },
  {
    name: 'fakeroot',
    purpose: 'gives files in an image to root, when an ordinary user builds it',
    neededBy: ['server'],
    anyOf: ['fakeroot'],
    packages: ['fakeroot'],
  },
  {
    name: 'newuidmap',
    purpose: 'maps user ids, when an ordinary user builds an image',
    neededBy: ['server'],
    anyOf: ['newuidmap'],
    packages: ['uidmap'],
  },
  {
    name: 'xz',
    purpose: 'unpacks kernel modules',
    neededBy: ['server'],
    anyOf: ['xz'],
    packages: ['xz-utils'],
  },
  {
    // At least 2.6. Where there is systemd the package also starts a service of its own, with a configuration that listens
    // nowhere: it does no harm, and Tidepool neither needs nor touches it.
    name: 'HAProxy',
    purpose: 'spreads the requests of services over their virtual machines',
    neededBy: ['server'],
    anyOf: ['haproxy'],
    packages: ['haproxy'],
  },
  {
    name: 'buildah',
    purpose: 'builds images from Dockerfiles',
    neededBy: ['dockerfile', 'test'],
    anyOf: ['buildah'],
    packages: ['buildah'],
  },
  {
    name: 'bubblewrap',
    purpose: 'is the container in which requirements are installed',
    neededBy: ['pip', 'test'],
    anyOf: ['bwrap'],
    packages: ['bubblewrap'],
  },
  {
    name: 'pip',
    purpose: 'installs the requirements of jobs',
    neededBy: ['pip', 'test'],
    anyOf: ['/usr/share/python-wheels'],
    packages: ['python3-pip-whl'],
  },
  {
    name: 'crun',
    purpose: 'runs the containers of jobs',
    neededBy: ['worker'],
    anyOf: ['crun'],
    packages: ['crun'],
  },
  {
    name: 'busybox',
    purpose:
      'is the first process of a container of a tiny test machine, and the shell that watches a worker; it must be a static one',
    neededBy: ['worker', 'test'],
    anyOf: ['/usr/bin/busybox', '/bin/busybox'],
    also: ['busybox'],
    packages: ['busybox-static'],
  },
  {
    name: 'virsh',
    purpose: 'is compared with what our libvirt client reads',
    neededBy: ['test', 'bench'],
    anyOf: ['virsh'],
    packages: ['libvirt-clients'],
  },
  {
    name: 'Python',
    purpose: 'runs the handlers of services without a VM',
    neededBy: ['test'],
    anyOf: ['python3'],
    packages: ['python3'],
  },
  {
    name: 'pgrep',
    purpose: 'finds the processes that a test kills',
    neededBy: ['test'],
    anyOf: ['pgrep'],
    also: ['pkill'],
    packages: ['procps'],
  },
  {
    name: 'useradd',
    purpose: 'makes the ordinary user of a test',
    neededBy: ['test'],
    anyOf: ['useradd'],
    also: ['userdel'],
    packages: ['passwd'],
  },
  {
    name: 'cpio',
    purpose: 'reads the initrds that we write',
    neededBy: ['test'],
    anyOf: ['cpio'],
    packages: ['cpio'],
  },
  {
    name: 'openssl',
    purpose: 'makes the certificates of a test',
    neededBy: ['test'],
    anyOf: ['openssl'],
    packages: ['openssl'],
  },
  {
    name: 'git',
    purpose: 'makes the fresh clone for a bare machine',
    neededBy: ['test'],
    anyOf: ['git'],
    packages: ['git'],
  },
  {
    name: 'Chromium',
    purpose: 'shows the dashboard',
    neededBy: ['test'],
    anyOf: ['chromium'],
    packages: ['chromium'],
  },
  {
    name: 'wrk',
    purpose: 'loads the front door of services',
    neededBy: ['test', 'bench'],
    anyOf: ['wrk'],
    packages: ['wrk'],
  },
  {
    name: 'PostgreSQL',
    purpose: 'keeps the queue that ours is compared with',
    neededBy: ['bench'],
    anyOf: ['pg_createcluster'],
    also: ['/usr/lib/postgresql'],
    packages: ['postgresql'],
  },
  optional('sudo', 'lets an ordinary user install packages', 'sudo', 'sudo'),
  optional('systemd', 'starts the libvirt daemon, where it runs the system', 'systemctl', 'systemd'),
  optional('ssh', 'reaches libvirt on another host (qemu+ssh://)', 'ssh', 'openssh-client'),
  optional('Docker', 'builds images from Dockerfiles, instead of buildah', 'docker', 'docker.io'),
  optional(
    'setquota',
    "limits the disk of a worker's jobs, where the file system has project quotas",
    'setquota',
    'quota',
  ),
  optional('chattr', "marks the files of a worker's jobs for their quota", 'chattr', 'e2fsprogs'),
];

/** The rows that any of these needs, in the order of the table. */
export function requirementsOf(...needs: readonly Need[]): SystemRequirement[] {
  return systemRequirements.filter(({ neededBy }) => neededBy.some((need) => needs.includes(need)));
}

/** Where Debian and Ubuntu put a driver of libvirt's daemon. */
function driver(name: string): string[] {
  return ['/usr/lib/x86_64-linux-gnu', '/usr/lib'].map(
    (folder) => `${folder}/libvirt/connection-driver/libvirt_driver_${name}.so`,
  );
}

function optional(name: string, purpose: string, command: string, packageName: string): SystemRequirement {
  return { name, purpose, neededBy: [], anyOf: [command], packages: [packageName] };
}
