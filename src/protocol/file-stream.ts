/**
 * The file stream: a folder's regular files in one byte stream, used for a run's inputs and for its produced files.
 *
 * Per file one line of JSON, `{"path":"data/a.csv","size":123}` and a newline, then `size` raw bytes. The stream ends
 * with the line `{"end":true,"files":N}`, so that a cut stream is never taken for a whole one.
 * Paths are relative, `/`-separated, without `.`/`..`/empty parts or control characters; see `pathProblem`.
 */

export interface FileHeader {
  readonly path: string;
  readonly size: number;
}

export interface FileEntry extends FileHeader {
  /** Exactly `size` bytes. */
  readonly content: AsyncIterable<Uint8Array>;
}

export const maxPathBytes = 1024;
const maxHeaderBytes = 8192;

/** Why a path may not be in a file stream, or undefined when it may. */
export function pathProblem(path: string): string | undefined {
  if (path.length === 0) return 'it is empty';
  if (Buffer.byteLength(path) > maxPathBytes) return `it is longer than ${maxPathBytes} bytes`;
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'it has a control character';
  if (path.includes('\\')) return 'it has a backslash';
  if (path.startsWith('/')) return 'it is absolute';
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..') return `it has the part '${part}'`;
    if (Buffer.byteLength(part) > 255) return 'a part is longer than 255 bytes';
  }
  return undefined;
}

/** Encodes files in order. Throws when a file's content is not as long as its header says. */
export async function* encodeFiles(files: AsyncIterable<FileEntry> | Iterable<FileEntry>): AsyncGenerator<Uint8Array> {
  let count = 0;
  for await (const file of files) {
    yield Buffer.from(`${JSON.stringify({ path: file.path, size: file.size })}\n`);
    let sent = 0;
    for await (const chunk of file.content) {
      sent += chunk.length;
      if (sent > file.size) break;
      yield chunk;
    }
    if (sent !== file.size) throw new RangeError(`${file.path}: ${sent} bytes where ${file.size} were announced`);
    count += 1;
  }
  yield Buffer.from(`${JSON.stringify({ end: true, files: count })}\n`);
}

/**
 * Decodes a file stream. `onFile` is called for each file in turn and must consume `content` whole before it returns;
 * what it leaves is skipped. Throws RangeError on anything malformed or cut short.
 */
export async function decodeFiles(
  source: AsyncIterable<Uint8Array>,
  onFile: (file: FileEntry) => Promise<void>,
): Promise<{ files: number }> {
  const reader = new ByteReader(source);
  for (let files = 0; ; files += 1) {
    const header: unknown = JSON.parse(await reader.line());
    if (isEnd(header)) {
      if (header.files !== files) throw new RangeError(`file stream of ${header.files} files had ${files}`);
      return { files };
    }
    if (!isHeader(header)) throw new RangeError('malformed file header');
    const problem = pathProblem(header.path);
    if (problem !== undefined) throw new RangeError(`file name refused: ${problem}`);
    const content = reader.bytes(header.size);
    await onFile({ path: header.path, size: header.size, content });
    for await (const _rest of content);
  }
}

function isEnd(value: unknown): value is { end: true; files: number } {
  return typeof value === 'object' && value !== null && 'end' in value && 'files' in value;
}

function isHeader(value: unknown): value is FileHeader {
  if (typeof value !== 'object' || value === null || !('path' in value) || !('size' in value)) return false;
  return typeof value.path === 'string' && Number.isSafeInteger(value.size) && Number(value.size) >= 0;
}

/** The stream ended before its end was announced. */
export class FileStreamCut extends RangeError {}

/** Reads lines and counted bytes from chunks of any size. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    for (;;) {
      const newline = this.#buffer.indexOf(10);
      if (newline >= 0) {
        const line = this.#buffer.toString('utf8', 0, newline);
        this.#buffer = this.#buffer.subarray(newline + 1);
        return line;
      }
      if (this.#buffer.length > maxHeaderBytes) throw new RangeError('file header too long');
      if (!(await this.#fill())) throw new FileStreamCut('file stream cut short');
    }
  }

  async *bytes(count: number): AsyncGenerator<Uint8Array> {
    let left = count;
    while (left > 0) {
      if (this.#buffer.length === 0 && !(await this.#fill())) throw new FileStreamCut('file stream cut short');
      const piece = this.#buffer.subarray(0, left);
      this.#buffer = this.#buffer.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async #fill(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) return false;
    this.#buffer = this.#buffer.length === 0 ? Buffer.from(next.value) : Buffer.concat([this.#buffer, next.value]);
    return true;
  }
}
