/** A golden image on disk, complete and verified. Its id is the content address of its recipe. */
export interface Image {
  readonly id: string;
  /** Absolute paths. */
  readonly diskPath: string;
  readonly kernelPath: string;
  readonly initrdPath: string;
  /** Kernel command line that boots it. */
  readonly commandLine: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
}

/** A runtime: Python and its libraries as one read-only squashfs that is attached to every VM. */
export interface Runtime {
  /** `python`, `ml`, or a name that the user gave. Lower-case letters, digits and dashes, at most 16 characters. */
  readonly name: string;
  readonly id: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
}

/** The disk serial under which a guest finds a runtime's squashfs: virtio cuts serials at 20 characters. */
export function runtimeDiskSerial(runtimeName: string): string {
  return `rt-${runtimeName}`;
}

/** Port: the runtimes of this installation. Those that are built in are built when a job first asks for them. */
export interface RuntimeShelf {
  /** What is built now. */
  list(): Promise<readonly Runtime[]>;
  /** Every name that a job may ask for, built or not. */
  names(): Promise<readonly string[]>;
  /**
   * Makes sure that a runtime gets built. Undefined when it is there; else, in words, how far it is or why it failed.
   * A failed build is tried again after a while.
   */
  want(name: string): Promise<string | undefined>;
}
