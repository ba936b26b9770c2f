import { closeSync, ftruncateSync, openSync, write, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { TidepoolError } from '../domain/errors.ts';
import { encodeFrame, frameHeaderBytes, maxFrameDataBytes, type OutputStream } from '../protocol/output-frames.ts';
import type { AgentClock } from './clock.ts';
import { Wakeup } from './wakeup.ts';

const writeByPool = promisify(write);

/** Beside the data itself, frame headers may take as much again and this much more: see `#fits`. */
const headerAllowanceBytes = 64 * 1024;
const noBytes = Buffer.alloc(0);
const readChunkBytes = 64 * 1024;
/** So much of a log is written at once, which is several times cheaper; a longer one must not hold up others. */
const atOnceBytes = 64 * 1024;
/** More than this waiting for the disk holds the script back. */
const maxWaitingBytes = 512 * 1024;

/**
 * The frame log of one attempt: one writer, any number of readers from any offset, while it is written and after.
 */
export class OutputLog {
  readonly #path: string;
  readonly #clock: AgentClock;
  readonly #maxDataBytes: number;
  readonly #changed = new Wakeup();
  #file: number | undefined;
  /** What waits for the disk while an earlier write is under way; neighbours of one stream become one frame. */
  #waiting: Piece[] = [];
  #waitingBytes = 0;
  #flushing: Promise<void> | undefined;
  /** The bytes written last, for readers that keep up: they need not go to the disk. */
  #tail: { readonly offset: number; readonly bytes: Buffer } = { offset: 0, bytes: noBytes };
  #dataBytes = 0;
  #sizeBytes: number;
  #isTruncated = false;
  #isClosed: boolean;

  private constructor(path: string, clock: AgentClock, maxDataBytes: number, sizeBytes: number, isClosed: boolean) {
    this.#path = path;
    this.#clock = clock;
    this.#maxDataBytes = maxDataBytes;
    this.#sizeBytes = sizeBytes;
    this.#isClosed = isClosed;
  }

  /** A new, empty log. @param maxDataBytes bytes of output that are kept; what comes after is dropped */
  static create(path: string, clock: AgentClock, maxDataBytes: number): OutputLog {
    const log = new OutputLog(path, clock, maxDataBytes, 0, false);
    log.#file = openSync(path, 'wx', 0o600);
    return log;
  }

  /** The log of an attempt that has ended, for reading. */
  static ended(path: string, clock: AgentClock, sizeBytes: number): OutputLog {
    return new OutputLog(path, clock, 0, sizeBytes, true);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get isTruncated(): boolean {
    return this.#isTruncated;
  }

  /** Adds output. Resolves at once, or, which is what holds a fast writer back, when the disk has caught up. */
  append(stream: OutputStream, data: Uint8Array): Promise<void> {
    if (this.#isTruncated) return Promise.resolve();
    const isKept = this.#fits(data.length);
    const kept = isKept ? data : data.subarray(0, Math.max(0, this.#maxDataBytes - this.#dataBytes));
    this.#dataBytes += kept.length;
    this.#add(stream, kept);
    if (!isKept) {
      this.#isTruncated = true;
      this.#add('notice', Buffer.from('the output limit was reached here; the rest was dropped\n'));
    }
    return this.#waitingBytes > maxWaitingBytes ? this.#flush() : Promise.resolve();
  }

  /** Adds a sentence of ours, also beyond the limit. */
  notice(text: string): Promise<void> {
    this.#add('notice', Buffer.from(`${text}\n`));
    return this.#flush();
  }

  /** No more will come; readers end when they have all. */
  async close(): Promise<void> {
    await this.#flush();
    this.#closeFile();
    this.#isClosed = true;
    this.#changed.notify();
  }

  /** The log's bytes from `offset` on, waiting for more until it is closed or the signal fires. */
  async *read(offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let at = offset;
    let file: FileHandle | undefined;
    try {
      while (!signal.aborted) {
        const wanted = Math.min(this.#sizeBytes - at, readChunkBytes);
        const bytes = at < this.#tail.offset ? noBytes : this.#tail.bytes.subarray(at - this.#tail.offset);
        if (bytes.length > 0) {
          at += bytes.length;
          yield bytes;
        } else if (wanted > 0) {
          file ??= await open(this.#path, 'r');
          const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(wanted), 0, wanted, at);
          if (bytesRead === 0) throw new TidepoolError('internal', `${this.#path} is shorter than it was`);
          at += bytesRead;
          yield buffer.subarray(0, bytesRead);
        } else if (this.#isClosed) {
          return;
        } else {
          await this.#changed.wait(signal);
        }
      }
    } finally {
      await file?.close();
    }
  }

  /** A script that writes single bytes makes twelve of each here, so the headers have a limit too. */
  #fits(length: number): boolean {
    const isWithinData = this.#dataBytes + length <= this.#maxDataBytes;
    const nextSize = this.#sizeBytes + this.#waitingBytes + length;
    return isWithinData && nextSize <= 2 * this.#maxDataBytes + headerAllowanceBytes;
  }

  #add(stream: OutputStream, data: Uint8Array): void {
    if (data.length === 0) return;
    const last = this.#waiting.at(-1);
    if (last?.stream === stream) {
      last.parts.push(data);
    } else {
      this.#waiting.push({ stream, atMs: Math.max(0, this.#clock.now()), parts: [data] });
      this.#waitingBytes += frameHeaderBytes;
    }
    this.#waitingBytes += data.length;
    void this.#flush();
  }

  /** Resolves when all that waits is written. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#writeWaiting().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /** Writes behind the last whole frame, wherever an earlier write may have broken off. */
  async #write(file: number, bytes: Buffer): Promise<void> {
    const isAtOnce = this.#sizeBytes + bytes.length <= atOnceBytes;
    for (let done = 0; done < bytes.length; ) {
      const [length, position] = [bytes.length - done, this.#sizeBytes + done];
      done += isAtOnce
        ? writeSync(file, bytes, done, length, position)
        : (await writeByPool(file, bytes, done, length, position)).bytesWritten;
    }
  }

  /** Takes off what a write left that broke off. When even that fails, nothing is written any more. */
  #cutTorn(): void {
    this.#isTruncated = true;
    try {
      if (this.#file !== undefined) ftruncateSync(this.#file, this.#sizeBytes);
    } catch {
      this.#closeFile();
    }
  }

  #closeFile(): void {
    const file = this.#file;
    this.#file = undefined;
    try {
      if (file !== undefined) closeSync(file);
    } catch {
      // The kernel could not keep all of it. The file is closed all the same.
      this.#isTruncated = true;
    }
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const bytes = Buffer.concat(this.#waiting.flatMap(framesOf));
      this.#waiting = [];
      this.#waitingBytes = 0;
      try {
        if (this.#file === undefined) throw new TidepoolError('internal', `${this.#path} is closed`);
        await this.#write(this.#file, bytes);
        this.#tail = { offset: this.#sizeBytes, bytes };
        this.#sizeBytes += bytes.length;
      } catch {
        // The disk is full. The script must not hang on its output, and the report says that some is missing.
        this.#cutTorn();
      }
      this.#changed.notify();
    }
  }
}

/** Output of one stream that came without any of another in between. */
interface Piece {
  readonly stream: OutputStream;
  readonly atMs: number;
  readonly parts: Uint8Array[];
}

function framesOf({ stream, atMs, parts }: Piece): Buffer[] {
  const data = Buffer.concat(parts);
  const frames: Buffer[] = [];
  for (let at = 0; at < data.length; at += maxFrameDataBytes) {
    frames.push(encodeFrame({ stream, atMs, data: data.subarray(at, at + maxFrameDataBytes) }));
  }
  return frames;
}
