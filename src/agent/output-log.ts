import { type FileHandle, open } from 'node:fs/promises';
import { encodeFrame, maxFrameDataBytes, type OutputStream } from '../protocol/output-frames.ts';
import type { AgentClock } from './clock.ts';
import { Wakeup } from './wakeup.ts';

/** Beside the data itself, frame headers may take as much again and this much more: see `#fits`. */
const headerAllowanceBytes = 64 * 1024;
const readChunkBytes = 64 * 1024;

/**
 * The frame log of one attempt: one writer, any number of readers from any offset, while it is written and after.
 */
export class OutputLog {
  readonly #path: string;
  readonly #clock: AgentClock;
  readonly #maxDataBytes: number;
  readonly #changed = new Wakeup();
  #file: FileHandle | undefined;
  #writing: Promise<void> = Promise.resolve();
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
  static async create(path: string, clock: AgentClock, maxDataBytes: number): Promise<OutputLog> {
    const log = new OutputLog(path, clock, maxDataBytes, 0, false);
    log.#file = await open(path, 'wx', 0o600);
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

  /** Adds output. Resolves when it is written (or dropped), which is what holds a fast writer back. */
  append(stream: OutputStream, data: Uint8Array): Promise<void> {
    if (this.#isTruncated) return Promise.resolve();
    let kept = data;
    if (!this.#fits(data.length)) {
      this.#isTruncated = true;
      kept = data.subarray(0, Math.max(0, this.#maxDataBytes - this.#dataBytes));
    }
    this.#dataBytes += kept.length;
    const frames = cut(stream, kept, this.#clock.now());
    if (this.#isTruncated) frames.push(this.#noticeFrame(`the output limit was reached here; the rest was dropped`));
    return this.#write(Buffer.concat(frames));
  }

  /** Adds a sentence of ours, also beyond the limit. */
  notice(text: string): Promise<void> {
    return this.#write(this.#noticeFrame(text));
  }

  /** No more will come; readers end when they have all. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
    this.#isClosed = true;
    this.#changed.notify();
  }

  /** The log's bytes from `offset` on, waiting for more until it is closed or the signal fires. */
  async *read(offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let at = offset;
    const file = await open(this.#path, 'r');
    try {
      while (!signal.aborted) {
        const wanted = Math.min(this.#sizeBytes - at, readChunkBytes);
        if (wanted > 0) {
          const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(wanted), 0, wanted, at);
          if (bytesRead === 0) throw new Error(`${this.#path} is shorter than it was`);
          at += bytesRead;
          yield buffer.subarray(0, bytesRead);
        } else if (this.#isClosed) {
          return;
        } else {
          await this.#changed.wait(signal);
        }
      }
    } finally {
      await file.close();
    }
  }

  /** A script that writes single bytes makes twelve of each here, so the headers have a limit too. */
  #fits(length: number): boolean {
    const isWithinData = this.#dataBytes + length <= this.#maxDataBytes;
    return isWithinData && this.#sizeBytes + length <= 2 * this.#maxDataBytes + headerAllowanceBytes;
  }

  #noticeFrame(text: string): Buffer {
    return encodeFrame({ stream: 'notice', atMs: this.#clock.now(), data: Buffer.from(`${text}\n`) });
  }

  #write(bytes: Buffer): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      try {
        await this.#file?.appendFile(bytes);
        this.#sizeBytes += bytes.length;
      } catch {
        // The disk is full. The script must not hang on its output, and the report says that some is missing.
        this.#isTruncated = true;
      }
      this.#changed.notify();
    });
    return this.#writing;
  }
}

function cut(stream: OutputStream, data: Uint8Array, atMs: number): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < data.length; at += maxFrameDataBytes) {
    frames.push(encodeFrame({ stream, atMs, data: data.subarray(at, at + maxFrameDataBytes) }));
  }
  return frames;
}
