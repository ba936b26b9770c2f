import type { BlobKeeper, BlobStore } from '../../src/domain/blob-store.ts';

/** A store whose blobs are read without waiting for a disk, which time that stands still could not do. */
export function readFromMemory(blobs: BlobKeeper): BlobKeeper {
  const contents = new Map<string, Buffer>();
  const putting = (put: BlobStore['put']): BlobStore['put'] => {
    return async (source, maxBytes) => {
      const chunks: Uint8Array[] = [];
      const blob = await put(noting(source, chunks), maxBytes);
      contents.set(blob.id, Buffer.concat(chunks));
      return blob;
    };
  };
  return {
    ...blobs,
    put: putting(blobs.put),
    hold() {
      const hold = blobs.hold();
      return { ...hold, put: putting(hold.put) };
    },
    async read(id, range) {
      const content = contents.get(id);
      if (content === undefined) return blobs.read(id, range);
      const { start, end } = range ?? { start: 0, end: content.length - 1 };
      return { sizeBytes: content.length, content: oneChunk(content.subarray(start, end + 1)) };
    },
  };
}

async function* noting(source: AsyncIterable<Uint8Array>, chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    chunks.push(chunk);
    yield chunk;
  }
}

async function* oneChunk(content: Uint8Array): AsyncGenerator<Uint8Array> {
  if (content.length > 0) yield content;
}
