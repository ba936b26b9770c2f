import type { FileEntry } from '../protocol/file-stream.ts';

/** What a ZIP archive that was sent may hold. */
export interface ArchiveLimits {
  /** Files, and just as many folders. */
  readonly maxFiles: number;
  /** Bytes of all files when unpacked. */
  readonly maxBytes: number;
  /** Unpacked bytes over packed bytes, of each file above 1 MiB and of all together. */
  readonly maxRatio: number;
}

export const defaultArchiveLimits: ArchiveLimits = {
  maxFiles: 10_000,
  maxBytes: 4 * 1024 ** 3,
  maxRatio: 200,
};

export interface ArchiveFacts {
  /** Paths of its files. */
  readonly files: ReadonlySet<string>;
  readonly sizeBytes: number;
}

/** A file that goes into an archive. */
export interface ArchiveFile {
  /** With a folder in front: in some archives a name that begins like `a:` would be a drive's. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Called when its turn has come. */
  open(): Promise<AsyncIterable<Uint8Array>>;
}

/**
 * Port: writes an archive as it is read. It breaks off when a file cannot be read or is not as long as it should be.
 * Implementation: `archive/`.
 */
export type ArchiveWriter = (files: readonly ArchiveFile[], changedAtMs: number) => AsyncIterable<Uint8Array>;

/** Port: reads archives (datasets, projects) that a stranger sent. Implementation: `archive/`. */
export interface ArchiveReader {
  /**
   * Reads the whole archive once. Errors: `invalid` (not a ZIP, damaged, a name that leaves the folder, a link, two
   * names that are one on other systems, files that overlap), `too_large` (a limit was passed; the message names it).
   * @param what it is, for messages, e.g. `the dataset`
   */
  check(path: string, limits: ArchiveLimits, what: string): Promise<ArchiveFacts>;
  /** The files of an archive that was checked, in the archive's order. */
  files(path: string): AsyncIterable<FileEntry>;
}
