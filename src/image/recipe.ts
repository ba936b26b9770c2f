import { createHash } from 'node:crypto';
import type { Distribution } from './host.ts';

/** Counts up when the way of building changes what comes out, so that older results are not taken for new ones. */
export const imageFormat = 2;

/**
 * Packages of the guest. They are unpacked, not installed: no maintainer script runs, so this must stay a set of
 * programs that work as unpacked.
 */
export function guestPackages(distribution: Distribution, architecture: 'x86_64' | 'aarch64'): string[] {
  return [
    kernelPackage(distribution, architecture),
    'busybox-static',
    'coreutils',
    'crun',
    'e2fsprogs',
    'quota',
    ...nodeLibraries,
  ];
}

const nodeLibraries = ['libatomic1', 'libgcc-s1', 'libstdc++6'];

function kernelPackage(distribution: Distribution, architecture: 'x86_64' | 'aarch64'): string {
  // Debian's cloud flavour and Ubuntu's virtual one leave out drivers of real hardware.
  if (distribution.id === 'ubuntu') return 'linux-image-virtual';
  return architecture === 'x86_64' ? 'linux-image-cloud-amd64' : 'linux-image-cloud-arm64';
}

/** Programs taken over from the packages into the guest, each with the libraries that it needs. */
export const guestPrograms = [
  'usr/bin/busybox',
  'usr/bin/crun',
  'usr/bin/chattr',
  // busybox's sets the clock in whole seconds only.
  'usr/bin/date',
  'usr/bin/lsattr',
  'usr/sbin/resize2fs',
  'usr/sbin/setquota',
  'usr/sbin/repquota',
] as const;

/** Modules that the initrd loads, all of them before the root file system is mounted. */
export const bootModules = [
  'virtio_pci',
  'virtio_blk',
  // The root is mounted with project quotas, and the kernel in an initrd cannot call modprobe for the format.
  'quota_v2',
  'virtio_net',
  'virtio_rng',
  'qemu_fw_cfg',
  'squashfs',
] as const;

/** Modules in the guest's own file system, loaded when something asks for them. */
export const lateModules = ['button', 'evdev', 'overlay', 'loop', 'tun', 'veth', 'bridge', 'fuse'] as const;

/** Programs of busybox that must exist as files, because something calls them by path or by PATH. */
export const busyboxLinks = ['sh', 'mount', 'umount', 'modprobe', 'reboot', 'poweroff', 'init'] as const;

/** A short content address: the SHA-256 of the recipe's parts, cut to 16 hex digits. */
export function contentId(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
