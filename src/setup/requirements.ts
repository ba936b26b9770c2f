/** Something of the system that Tidepool needs. Package names are Debian's, where not told otherwise per distribution. */
export interface Requirement {
  readonly name: string;
  /** What it is for, for a person. */
  readonly purpose: string;
  /** It is there when one of these is: a bare name is a command, a path is a file. */
  readonly anyOf: readonly string[];
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
 * What the server needs. Tried on Debian 12; the names for Debian 13, Ubuntu 22.04 and 24.04 are from their package
 * lists and untested.
 */
export const serverRequirements: readonly Requirement[] = [
  {
    name: 'QEMU',
    purpose: 'runs the virtual machines',
    anyOf: ['qemu-system-x86_64'],
    packages: ['qemu-system-x86'],
  },
  {
    name: 'qemu-img',
    purpose: 'makes the disk of the golden image',
    anyOf: ['qemu-img'],
    packages: ['qemu-utils'],
  },
  {
    name: 'libvirt daemon',
    purpose: 'controls the virtual machines',
    anyOf: ['libvirtd', 'virtqemud'],
    packages: ['libvirt-daemon', 'libvirt-daemon-system'],
  },
  {
    name: 'libvirt QEMU driver',
    purpose: 'lets libvirt drive QEMU',
    anyOf: driver('qemu'),
    packages: ['libvirt-daemon-driver-qemu'],
  },
  {
    name: 'libvirt storage driver',
    purpose: 'makes the disks of clones',
    anyOf: driver('storage'),
    packages: ['libvirt-daemon'],
    packagesOn: { 'debian-13': ['libvirt-daemon-driver-storage'] },
  },
  {
    name: 'virtlogd',
    purpose: 'keeps the consoles of the virtual machines',
    anyOf: ['virtlogd'],
    packages: ['libvirt-daemon'],
    packagesOn: { 'debian-13': ['libvirt-daemon-log'] },
  },
  {
    name: 'mmdebstrap',
    purpose: 'unpacks the packages of the golden image and of runtimes',
    anyOf: ['mmdebstrap'],
    packages: ['mmdebstrap'],
  },
  {
    name: 'mke2fs',
    purpose: 'makes the file system of the golden image',
    anyOf: ['mke2fs'],
    packages: ['e2fsprogs'],
  },
  {
    name: 'mksquashfs',
    purpose: 'makes the read-only disks of runtimes',
    anyOf: ['mksquashfs'],
    packages: ['squashfs-tools'],
  },
  {
    name: 'fakeroot',
    purpose: 'gives files in an image to root, when an ordinary user builds it',
    anyOf: ['fakeroot'],
    packages: ['fakeroot'],
  },
  {
    name: 'newuidmap',
    purpose: 'maps user ids, when an ordinary user builds an image',
    anyOf: ['newuidmap'],
    packages: ['uidmap'],
  },
  { name: 'xz', purpose: 'unpacks kernel modules', anyOf: ['xz'], packages: ['xz-utils'] },
  {
    // At least 2.6. Where there is systemd the package also starts a service of its own, with a configuration that listens
    // nowhere: it does no harm, and Tidepool neither needs nor touches it.
    name: 'HAProxy',
    purpose: 'spreads the requests of services over their virtual machines',
    anyOf: ['haproxy'],
    packages: ['haproxy'],
  },
];

/** Where Debian and Ubuntu put a driver of libvirt's daemon. */
function driver(name: string): string[] {
  return ['/usr/lib/x86_64-linux-gnu', '/usr/lib'].map(
    (folder) => `${folder}/libvirt/connection-driver/libvirt_driver_${name}.so`,
  );
}

/** What `tidepool runtime add --dockerfile` needs, where there is no Docker. */
export const dockerfileRequirements: readonly Requirement[] = [
  { name: 'buildah', purpose: 'builds images from Dockerfiles', anyOf: ['buildah'], packages: ['buildah'] },
];

/** What installs the requirements of jobs, where `jobs.pip` is configured. */
export const pipRequirements: readonly Requirement[] = [
  {
    name: 'bubblewrap',
    purpose: 'the container that requirements are installed in',
    anyOf: ['bwrap'],
    packages: ['bubblewrap'],
  },
  {
    name: 'pip',
    purpose: 'installs the requirements of jobs',
    anyOf: ['/usr/share/python-wheels'],
    packages: ['python3-pip-whl'],
  },
];

/** What a machine needs that joins by hand as a worker. */
export const workerRequirements: readonly Requirement[] = [
  { name: 'crun', purpose: 'runs the containers of jobs', anyOf: ['crun'], packages: ['crun'] },
  {
    name: 'busybox',
    purpose: 'is the first process of each container; it must be a static one',
    anyOf: ['/usr/bin/busybox'],
    packages: ['busybox-static'],
  },
];

/** What `npm test` needs beside that. */
export const testRequirements: readonly Requirement[] = [
  {
    name: 'virsh',
    purpose: 'is compared with what our libvirt client reads',
    anyOf: ['virsh'],
    packages: ['libvirt-clients'],
  },
  {
    name: 'Python',
    purpose: 'runs the handlers of services without a VM',
    anyOf: ['python3'],
    packages: ['python3'],
  },
  ...dockerfileRequirements,
  { name: 'pgrep', purpose: 'finds the QEMU that a test kills', anyOf: ['pgrep'], packages: ['procps'] },
  { name: 'Chromium', purpose: 'shows the dashboard', anyOf: ['chromium'], packages: ['chromium'] },
  { name: 'wrk', purpose: 'loads the front door of services', anyOf: ['wrk'], packages: ['wrk'] },
];
