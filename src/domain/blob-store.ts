/** A blob that is there. */
export interface StoredBlob {
  /** Lower-case hexadecimal SHA-256 of its content. */
  readonly id: string;
  readonly sizeBytes: number;
}

/** Bytes `start` to `end`, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Port: content-addressed bytes (scripts, datasets, produced files). A blob is written whole or not at all; its id is that
 * of its content, so writing the same content twice is one blob.
 */
export interface BlobStore {
  /** `too_large` when the source has more than `maxBytes`; nothing is kept then. */
  put(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<StoredBlob>;
  /**
   * Errors, also from the content: `not_found` when there is no such blob; `unavailable` when it cannot be read. All of a blob
   * ends with `internal` and the detail `damagedBlob` when it is not what its id says.
   * @param range of it; all of it unless given
   */
  read(id: string, range?: ByteRange): Promise<{ sizeBytes: number; content: AsyncIterable<Uint8Array> }>;
  /**
   * A file with that content, for readers that must seek; nothing has looked whether it is whole (`checkBlob`). Read only.
   * Errors: `not_found` when there is none, `unavailable`.
   */
  path(id: string): Promise<string>;
  /**
   * For who puts blobs and only later writes down that they are needed: what goes through the hold is not removed while
   * that lasts. It ends with the process.
   */
  hold(): BlobHold;
}

/**
 * Reads all of a blob, to know that it is what its id says. Errors: those of `read`, of it and of its content; `aborted`.
 */
export async function checkBlob(
  blobs: Pick<BlobStore, 'read'>,
  id: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  for await (const _ of (await blobs.read(id)).content) signal.throwIfAborted();
}

/** Disposing of it ends it. */
export interface BlobHold extends Pick<BlobStore, 'put'>, Disposable {
  /** Holds a blob that is there. `not_found` when there is none. */
  keep(id: string): Promise<StoredBlob>;
}

/** A BlobStore from which blobs can be removed; whether anybody needs them is for the caller to know. */
export interface BlobKeeper extends BlobStore {
  /** All blobs, in no order. `changedAtMs` is when it was put last. */
  list(): AsyncIterable<StoredBlob & { readonly changedAtMs: number }>;
  /** False, and nothing is removed, when it is held, was put after this time, or is not there. */
  remove(id: string, unchangedSinceMs: number): Promise<boolean>;
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

/** A LogStore from which logs can be removed. */
export interface LogKeeper extends LogStore {
  /** All logs, in no order. `changedAtMs` is when something was appended last. */
  list(): AsyncIterable<{ readonly jobId: string; readonly attempt: number; readonly changedAtMs: number }>;
  /** Does nothing when there is none. */
  remove(jobId: string, attempt: number): Promise<void>;
}
