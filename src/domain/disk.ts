/** Bytes of the file system that a folder is on. */
export interface DiskSpace {
  /** What we may still write. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** New files that we may still make, and how many there can be; undefined where the file system has no such limit. */
  readonly inodes?: { readonly free: number; readonly total: number } | undefined;
}

/** Port: the room on the file system of one folder. */
export interface Disk {
  /** Errors: those of the file system; that the folder is not there, or that another one is in its place. */
  space(): Promise<DiskSpace>;
}

/** Port: bytes that are put by on a file system, to be given free when nothing else can be written there. */
export interface Ballast {
  readonly sizeBytes: number;
  /** Writes them, unless they are there. Errors: those of the file system. */
  fill(sizeBytes: number): Promise<void>;
  /** Gives them free; true when there were some. */
  drop(): Promise<boolean>;
}

/** How much of a file system is kept free. */
export interface ReserveRule {
  readonly minBytes: number;
  /** Of all that the file system has, 0 to 100. */
  readonly percent: number;
}

const GiB = 1024 ** 3;
export const defaultReserve: ReserveRule = { minBytes: GiB, percent: 2 };
/** Where VMs have their disks, which grow as their guests write. */
export const defaultLaunchReserve: ReserveRule = { minBytes: 2 * GiB, percent: 5 };
/** Of a small file system not more than this share is kept free. */
const mostShare = 0.25;

/** Returns the reserve of a file system of this size, in bytes. */
export function reserveOf({ minBytes, percent }: ReserveRule, totalBytes: number): number {
  return Math.floor(Math.min(totalBytes * mostShare, Math.max(minBytes, (totalBytes * percent) / 100)));
}

/** Enough for what runs: each job that ends makes some files. */
const keptInodes = 1_000;

/** Returns how many inodes of a file system are kept, of this many. */
export function inodeReserveOf(total: number): number {
  return Math.floor(Math.min(total * mostShare, keptInodes));
}
