/**
 * Port: content-addressed bytes (scripts, datasets, produced files). A blob is written whole or not at all; its id is
 * the lower-case hex SHA-256 of its content, so writing the same content twice is one blob.
 */
export interface BlobStore {
  /** `too_large` when the source has more than `maxBytes`; nothing is kept then. */
  put(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<{ id: string; sizeBytes: number }>;
  /** `not_found` when there is no such blob. */
  read(id: string): Promise<{ sizeBytes: number; content: AsyncIterable<Uint8Array> }>;
  /** A file with that content, for readers that must seek. Read only. `not_found` when there is none. */
  path(id: string): Promise<string>;
}

/**
 * Port: the frame log (protocol/output-frames.ts) of each attempt: append-only bytes.
 */
export interface LogStore {
  /** Bytes that are there. 0 when nothing was written yet. */
  size(jobId: string, attempt: number): Promise<number>;
  append(jobId: string, attempt: number, chunk: Uint8Array): Promise<void>;
  /** Flushes what was appended to the disk. */
  sync(jobId: string, attempt: number): Promise<void>;
  /** Up to `maxBytes` bytes from `offset`; empty at the end. */
  read(jobId: string, attempt: number, offset: number, maxBytes: number): Promise<Uint8Array>;
}
