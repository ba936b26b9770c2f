import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A text of ours that goes into the guest or its initrd. */
export interface GuestFile {
  /** Path in the guest, relative to its root. */
  readonly path: string;
  readonly mode: number;
  readonly content: string;
}

/** Files of `guest/` with the places where the guest has them. */
const places = [
  { source: 'inittab', path: 'etc/inittab', mode: 0o644 },
  { source: 'fstab', path: 'etc/fstab', mode: 0o644 },
  { source: 'sysinit', path: 'etc/tidepool/sysinit', mode: 0o755 },
  { source: 'late', path: 'etc/tidepool/late', mode: 0o755 },
  { source: 'udhcpc', path: 'etc/tidepool/udhcpc', mode: 0o755 },
  { source: 'power-button', path: 'etc/acpi/PWRF/00000080', mode: 0o755 },
  { source: 'passwd', path: 'etc/passwd', mode: 0o644 },
  { source: 'group', path: 'etc/group', mode: 0o644 },
] as const;

/** Reads one file of `guest/`. */
export function readGuestSource(name: string): Promise<string> {
  return readFile(fileURLToPath(new URL(`./guest/${name}`, import.meta.url)), 'utf8');
}

/** Every text that the root file system gets, in a fixed order. */
export function readGuestFiles(): Promise<GuestFile[]> {
  return Promise.all(
    places.map(async ({ source, path, mode }) => ({ path, mode, content: await readGuestSource(source) })),
  );
}
