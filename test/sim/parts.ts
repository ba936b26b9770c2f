import type { ArchiveReader } from '../../src/domain/archive.ts';
import type { BlobStore, LogStore } from '../../src/domain/blob-store.ts';
import { TidepoolError } from '../../src/domain/errors.ts';
import type { Image, Runtime, RuntimeShelf } from '../../src/domain/image.ts';

/** Blobs whose id is their content. */
export const textBlobs: BlobStore = {
  async put(source) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of source) chunks.push(chunk);
    const content = Buffer.concat(chunks);
    return { id: content.toString(), sizeBytes: content.length };
  },
  async read(id) {
    const content = Buffer.from(id);
    return { sizeBytes: content.length, content: oneChunk(content) };
  },
  async path() {
    throw new TidepoolError('not_found', 'a text has no file');
  },
  hold: () => ({
    put: (source, maxBytes) => textBlobs.put(source, maxBytes),
    keep: async (id) => ({ id, sizeBytes: Buffer.byteLength(id) }),
    [Symbol.dispose]: () => undefined,
  }),
};

async function* oneChunk(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}

/** Frame logs in memory. */
export class MemoryLogs implements LogStore {
  readonly #logs = new Map<string, Buffer>();

  async size(jobId: string, attempt: number): Promise<number> {
    return this.#log(jobId, attempt).length;
  }

  async append(jobId: string, attempt: number, chunk: Uint8Array): Promise<void> {
    this.#logs.set(`${jobId} ${attempt}`, Buffer.concat([this.#log(jobId, attempt), chunk]));
  }

  async sync(): Promise<void> {}

  async read(jobId: string, attempt: number, offset: number, maxBytes: number): Promise<Uint8Array> {
    return this.#log(jobId, attempt).subarray(offset, offset + maxBytes);
  }

  #log(jobId: string, attempt: number): Buffer {
    return this.#logs.get(`${jobId} ${attempt}`) ?? Buffer.alloc(0);
  }
}

export const noArchives: ArchiveReader = {
  async check() {
    return { files: new Set(), sizeBytes: 0 };
  },
  async *files() {},
};

/** A runtime whose file has its name. */
export function builtRuntime(name: string): Runtime {
  return { name, id: name, path: name, sizeBytes: 1, createdAtMs: 0, image: null };
}

export const onlyPython: RuntimeShelf = {
  list: async () => [builtRuntime('python')],
  names: async () => ['python'],
  want: async () => undefined,
  image: async () => null,
  wantLayered: async () => undefined,
  isRemoved: async () => false,
};

export const image: Image = {
  id: 'image',
  diskPath: '/disk',
  kernelPath: '/kernel',
  initrdPath: '/initrd',
  commandLine: 'quiet',
  sizeBytes: 1,
  createdAtMs: 0,
};
