import type { FileEntry } from '../protocol/file-stream.ts';

/** What a dataset ZIP may hold. */
export interface DatasetLimits {
  readonly maxFiles: number;
  /** Bytes when unpacked. */
  readonly maxBytes: number;
  /** Unpacked bytes over packed bytes, of each file above 1 MiB. */
  readonly maxRatio: number;
}

export const defaultDatasetLimits: DatasetLimits = {
  maxFiles: 10_000,
  maxBytes: 4 * 1024 ** 3,
  maxRatio: 200,
};

export interface DatasetFacts {
  readonly files: number;
  readonly sizeBytes: number;
}

/** Port: reads dataset archives that a stranger sent. Implementation: `archive/`. */
export interface DatasetReader {
  /**
   * Reads the whole archive once. Errors: `invalid` (not a ZIP, damaged, a name that leaves the folder, a link, two
   * files of one name), `too_large` (a limit of count, size or ratio was passed; the message names it).
   */
  check(path: string, limits: DatasetLimits): Promise<DatasetFacts>;
  /** The files of an archive that was checked, in the archive's order. */
  files(path: string): AsyncIterable<FileEntry>;
}
