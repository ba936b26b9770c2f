import type { LayeredRecipe } from './requirements.ts';

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

/** How the image that a runtime was made of says that it is run. */
export interface ImageProcess {
  readonly uid: number;
  readonly gid: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Absolute, free of links, without a slash at the end; `/` when the image names none. */
  readonly workingFolder: string;
  /** A job's arguments come after the entrypoint, in place of the command. */
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

/** A runtime: Python and its libraries as one read-only squashfs that is attached to every VM. */
export interface Runtime {
  /** `python`, `ml`, or a name that the user gave. Lower-case letters, digits and dashes, at most 16 characters. */
  readonly name: string;
  readonly id: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  /** Of a runtime that was made of an image. */
  readonly image: ImageProcess | null;
}

/** The disk serial under which a guest finds a runtime's squashfs: virtio cuts serials at 20 characters. */
export function runtimeDiskSerial(runtimeName: string): string {
  return `rt-${runtimeName}`;
}

/** A runtime that is being built, or could not be built not long ago. */
export interface RuntimeBuild {
  readonly name: string;
  /** How far it is, or why it failed. */
  readonly text: string;
  readonly hasFailed: boolean;
}

/** Port: the runtimes of this installation. Those that are built in are built when a job first asks for them. */
export interface RuntimeShelf {
  /** What is built now. */
  list(): Promise<readonly Runtime[]>;
  /** Every name that a job may ask for, built or not, damaged ones too. Error: `unavailable` when the cache cannot be read. */
  names(): Promise<readonly string[]>;
  /** Whether somebody removed a runtime, so that it will not come again by itself. Error: `unavailable`. */
  isRemoved(name: string): Promise<boolean>;
  /**
   * Makes sure that a runtime gets built. Undefined when it is there; else, in words, how far it is or why it failed.
   * A failed build is tried again after a while. Error: `unavailable` for one that is damaged or lost and cannot be built here.
   */
  want(name: string): Promise<string | undefined>;
  /**
   * The same for a runtime with requirements on top, under the name that `runtimeOf` gives. `isHopeless`: they cannot be
   * installed, and nothing will change that.
   */
  wantLayered(name: string, recipe: LayeredRecipe): Promise<{ text: string; isHopeless: boolean } | undefined>;
  /** How a runtime's image says that it is run; null for one that was not made of an image. Errors: `not_found`, `unavailable`. */
  image(name: string): Promise<ImageProcess | null>;
}
