import type { OutputEvent } from '../../protocol/api.ts';

export type LogStream = OutputEvent['stream'];

export interface LogLine {
  readonly stream: LogStream;
  /** Without its end; of a long line the beginning. */
  readonly bytes: Uint8Array;
  /** How long the whole line is. */
  readonly length: number;
}

const streams = ['stdout', 'stderr', 'notice'] as const;
const newline = 10;
/** More of a line is never shown. */
const shownBytes = 8 * 1024;
const blockBytes = 1024 * 1024;
/** Searching gives way to the page after so much. */
const sliceBytes = 8 * blockBytes;

/**
 * The output of a job as lines, made for logs of hundreds of megabytes: bytes stay bytes, in large blocks, and a line costs
 * nine bytes beside its own. Text is made of the lines that are looked at.
 */
export class LogBuffer {
  readonly #blocks: Uint8Array[] = [];
  #used = 0;
  #starts = new Float64Array(1024);
  #kinds = new Uint8Array(1024);
  #lines = 0;
  /** What came of a line whose end has not come. */
  readonly #open = streams.map(() => [] as Uint8Array[]);

  /** Complete lines. */
  get lineCount(): number {
    return this.#lines;
  }

  get sizeBytes(): number {
    return this.#used;
  }

  /** Takes what one of the streams wrote. */
  push(stream: LogStream, data: Uint8Array): void {
    const kind = streams.indexOf(stream);
    let from = 0;
    for (let end = data.indexOf(newline); end >= 0; end = data.indexOf(newline, from)) {
      this.#finish(kind, data.subarray(from, end));
      from = end + 1;
    }
    if (from < data.length) this.#open[kind]?.push(data.subarray(from));
  }

  /** Lines whose end has not come yet, of each stream at most one: prompts, progress. */
  unfinished(): LogLine[] {
    return this.#open.flatMap((parts, kind) => {
      if (parts.length === 0) return [];
      const bytes = join(parts);
      return [{ stream: streams[kind] ?? 'stdout', bytes: bytes.subarray(0, shownBytes), length: bytes.length }];
    });
  }

  /** A complete line, from 0. */
  line(index: number): LogLine {
    const start = this.#starts[index] ?? 0;
    const end = index + 1 < this.#lines ? (this.#starts[index + 1] ?? 0) : this.#used;
    const bytes = this.#read(start, Math.min(end - start, shownBytes));
    return { stream: streams[this.#kinds[index] ?? 0] ?? 'stdout', bytes, length: end - start };
  }

  /**
   * Indexes of the lines from `fromLine` on that have the text, without regard to the case of A to Z; in portions, so that
   * the page stays alive.
   * @param most lines that are given at most
   */
  async *find(text: string, fromLine: number, most: number): AsyncGenerator<number[]> {
    const needle = lowered(new TextEncoder().encode(text));
    if (needle.length === 0) return;
    let left = most;
    let since = 0;
    let found: number[] = [];
    for (let index = fromLine; index < this.#lines && left > 0; index += 1) {
      const start = this.#starts[index] ?? 0;
      const end = index + 1 < this.#lines ? (this.#starts[index + 1] ?? 0) : this.#used;
      since += end - start + 1;
      if (this.#has(start, end, needle)) {
        found.push(index);
        left -= 1;
      }
      if (since > sliceBytes) {
        yield found;
        found = [];
        since = 0;
      }
    }
    yield found;
  }

  #finish(kind: number, last: Uint8Array): void {
    const open = this.#open[kind];
    if (this.#lines === this.#starts.length) this.#grow();
    this.#starts[this.#lines] = this.#used;
    this.#kinds[this.#lines] = kind;
    this.#lines += 1;
    for (const part of open?.splice(0) ?? []) this.#write(part);
    this.#write(last);
  }

  #grow(): void {
    const starts = new Float64Array(this.#starts.length * 2);
    starts.set(this.#starts);
    const kinds = new Uint8Array(starts.length);
    kinds.set(this.#kinds);
    this.#starts = starts;
    this.#kinds = kinds;
  }

  #write(data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      const place = this.#used % blockBytes;
      if (place === 0) this.#blocks.push(new Uint8Array(blockBytes));
      const part = data.subarray(at, at + blockBytes - place);
      this.#blocks.at(-1)?.set(part, place);
      this.#used += part.length;
      at += part.length;
    }
  }

  #read(start: number, length: number): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let at = start; at < start + length; ) {
      const place = at % blockBytes;
      const part = this.#blocks[Math.floor(at / blockBytes)]?.subarray(place, place + start + length - at);
      if (part === undefined || part.length === 0) break;
      parts.push(part);
      at += part.length;
    }
    return parts.length === 1 ? (parts[0] as Uint8Array) : join(parts);
  }

  #has(start: number, end: number, needle: Uint8Array): boolean {
    const [first = 0] = needle;
    for (let at = start; at <= end - needle.length; at += 1) {
      if (this.#at(at) !== first) continue;
      let same = 1;
      while (same < needle.length && this.#at(at + same) === needle[same]) same += 1;
      if (same === needle.length) return true;
    }
    return false;
  }

  #at(position: number): number {
    return lower(this.#blocks[Math.floor(position / blockBytes)]?.[position % blockBytes] ?? 0);
  }
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

function lowered(bytes: Uint8Array): Uint8Array {
  return bytes.map(lower);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
