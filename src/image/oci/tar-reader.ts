import { Parser, type ReadEntry } from 'tar';
import { TidepoolError } from '../../domain/errors.ts';

/** Long names and the like are told in headers of their own, which are read whole. */
const maxHeaderBytes = 1024 * 1024;

/** One entry of a tar archive. Its content is read, or left, before the next entry is asked for. */
export interface TarEntry {
  readonly path: string;
  readonly type: ReadEntry['type'];
  readonly mode: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** Target of a link; '' where there is none. */
  readonly link: string;
  content(): AsyncIterable<Uint8Array>;
}

interface OpenEntry {
  readonly entry: ReadEntry;
  readonly chunks: Buffer[];
  isEnded: boolean;
}

/**
 * The entries of a tar archive that nobody trusts, with GNU's and PAX's long names. Nothing is written anywhere, and no
 * more of it is in memory than a chunk and a header. Error: `invalid` (it is damaged, cut short, or no tar).
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const feed = new Feed(source);
  for (let open = await feed.next(); open !== undefined; open = await feed.next()) {
    const { entry } = open;
    yield {
      path: entry.path,
      type: entry.type,
      mode: entry.mode ?? 0,
      sizeBytes: entry.size,
      mtimeMs: entry.mtime?.getTime() ?? 0,
      link: entry.linkpath ?? '',
      content: () => feed.content(open),
    };
    for await (const _ of feed.content(open));
  }
}

/** Gives the parser a chunk of the source whenever somebody wants more. */
class Feed {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #parser = new Parser({ strict: true, maxMetaEntrySize: maxHeaderBytes });
  readonly #ready: OpenEntry[] = [];
  #problem: string | undefined;
  #isFirst = true;
  #isOver = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
    this.#parser.on('entry', (entry: ReadEntry) => {
      const open: OpenEntry = { entry, chunks: [], isEnded: false };
      this.#ready.push(open);
      entry.on('data', (chunk: Buffer) => open.chunks.push(chunk));
      entry.on('end', () => {
        open.isEnded = true;
      });
    });
    this.#parser.on('error', (error: unknown) => {
      this.#problem ??= error instanceof Error ? error.message : String(error);
    });
    this.#parser.on('ignoredEntry', (entry: ReadEntry) => {
      if (entry.meta) this.#problem ??= `a header of it has more than ${maxHeaderBytes} bytes`;
    });
  }

  async next(): Promise<OpenEntry | undefined> {
    while (this.#ready.length === 0 && !this.#isOver) await this.#pump();
    return this.#ready.shift();
  }

  async *content(open: OpenEntry): AsyncGenerator<Uint8Array> {
    for (;;) {
      for (let chunk = open.chunks.shift(); chunk !== undefined; chunk = open.chunks.shift()) yield chunk;
      if (open.isEnded || this.#isOver) return;
      await this.#pump();
    }
  }

  async #pump(): Promise<void> {
    const { done, value } = await this.#source.next();
    if (done === true) {
      this.#isOver = true;
      this.#parser.end();
    } else {
      if (this.#isFirst && isCompressed(value)) this.#problem = 'it is compressed twice';
      else this.#parser.write(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      this.#isFirst = false;
    }
    if (this.#problem === undefined) return;
    throw new TidepoolError('invalid', `the archive cannot be read: ${this.#problem}`);
  }
}

/** The parser would unpack that by itself, where nobody counts. */
function isCompressed(chunk: Uint8Array): boolean {
  const [a, b, c] = chunk;
  return (a === 0x1f && b === 0x8b) || (a === 0x28 && b === 0xb5 && c === 0x2f);
}
