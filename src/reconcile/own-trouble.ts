import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { FileEntry } from '../protocol/file-stream.ts';

/** Something of ours failed: disk, database, blobs, or a mistake in Tidepool. Never the worker's, never the job's. */
export class OwnTrouble extends TidepoolError {
  constructor(cause: unknown) {
    const { code, message, details } = toTidepoolError(cause);
    super(code, message, { cause, details });
    this.name = 'OwnTrouble';
  }
}

/** Does work of ours. Error: `OwnTrouble`, whatever it throws. */
export async function own<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OwnTrouble ? error : new OwnTrouble(error);
  }
}

/**
 * Remembers what of ours failed inside a call to an agent. The call itself fails by something else then, e.g. because its
 * connection was closed in the middle of an upload.
 */
export class OwnParts {
  #trouble: OwnTrouble | undefined;

  /** Work of ours within the call, as `own`. */
  async do<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await own(work);
    } catch (error) {
      throw this.#note(error);
    }
  }

  /** A stream of ours that the call reads. */
  async *stream<T>(source: AsyncIterable<T> | Iterable<T>): AsyncGenerator<T> {
    const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    try {
      for (;;) {
        const next = await this.do(async () => iterator.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  /** Files of ours that the call reads. One that is not as long as it should be is trouble of ours. */
  async *files(source: AsyncIterable<FileEntry>): AsyncGenerator<FileEntry> {
    for await (const file of this.stream(source)) yield { ...file, content: this.stream(exactly(file)) };
  }

  /** Work of ours on content that the call brings. Errors: the content's own, and `OwnTrouble`. */
  async take<T>(content: FileEntry['content'], work: (content: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T> {
    let brought: { readonly error: unknown } | undefined;
    async function* watched(): AsyncGenerator<Uint8Array> {
      try {
        yield* content;
      } catch (error) {
        brought = { error };
        throw error;
      }
    }
    try {
      return await work(watched());
    } catch (error) {
      throw brought === undefined ? this.#note(error) : brought.error;
    }
  }

  /** Makes the call. Error: the first trouble of ours in it, else the call's own. */
  async call<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#trouble ?? error;
    }
  }

  #note(error: unknown): OwnTrouble {
    this.#trouble ??= error instanceof OwnTrouble ? error : new OwnTrouble(error);
    return this.#trouble;
  }
}

async function* exactly({ path, size, content }: FileEntry): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > size) break;
    yield chunk;
  }
  if (bytes !== size) throw new TidepoolError('internal', `${path} has not the ${size} bytes that it should have`);
}
