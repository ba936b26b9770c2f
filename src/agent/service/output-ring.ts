import { TidepoolError } from '../../domain/errors.ts';
import { encodeFrame, frameHeaderBytes, maxFrameDataBytes, type OutputStream } from '../../protocol/output-frames.ts';
import { type AgentClock, sleep } from '../clock.ts';
import type { OutputSink } from '../container-run.ts';

/** What is kept: of a service that writes single bytes it is the number of frames that counts. */
const maxKeptBytes = 1024 * 1024;
const maxKeptFrames = 8_192;
/** A service that writes more is held back, so that copying it does not keep the agent busy. */
const maxBytesPerSecond = 1024 * 1024;
const secondMs = 1_000;

interface Kept {
  readonly stream: OutputStream;
  /** Of its first byte in the whole log. */
  readonly offset: number;
  readonly bytes: Buffer;
}

/** The newest output of a service as frames, in memory. Offsets count from its beginning, of which the oldest is gone. */
export class OutputRing implements OutputSink {
  readonly isTruncated = false;
  readonly #clock: AgentClock;
  #kept: Kept[] = [];
  #keptBytes = 0;
  #end = 0;
  #second = { startedAtMs: Number.NEGATIVE_INFINITY, bytes: 0 };

  constructor(clock: AgentClock) {
    this.#clock = clock;
  }

  async append(stream: OutputStream, data: Uint8Array): Promise<void> {
    const atMs = this.#clock.now();
    for (let at = 0; at < data.length; at += maxFrameDataBytes) {
      this.#keep(stream, encodeFrame({ stream, atMs, data: data.subarray(at, at + maxFrameDataBytes) }));
    }
    await this.#holdBack(data.length);
  }

  /** Adds a sentence of ours. */
  notice(text: string): void {
    this.#keep('notice', encodeFrame({ stream: 'notice', atMs: this.#clock.now(), data: Buffer.from(`${text}\n`) }));
  }

  /**
   * What is kept from an offset on, or from the oldest that is kept when that is younger.
   * Error: `invalid` when the log is not that long.
   */
  read(offset: number): { readonly offset: number; readonly bytes: Uint8Array } {
    if (offset > this.#end) throw new TidepoolError('invalid', `the output has ${this.#end} bytes so far`);
    const start = Math.max(offset, this.#kept[0]?.offset ?? this.#end);
    const frames = this.#kept.filter((frame) => frame.offset + frame.bytes.length > start);
    const skipped = start - (frames[0]?.offset ?? start);
    return { offset: start, bytes: Buffer.concat(frames.map(({ bytes }) => bytes)).subarray(skipped) };
  }

  /** The newest output of its programs as a text; that on stderr, unless there is none. */
  tail(maxBytes: number): string {
    const stderr = this.#tailOf('stderr', maxBytes);
    return stderr === '' ? this.#tailOf('stdout', maxBytes) : stderr;
  }

  #tailOf(stream: OutputStream, maxBytes: number): string {
    const pieces: Buffer[] = [];
    let size = 0;
    for (const frame of this.#kept.toReversed()) {
      if (size >= maxBytes) break;
      if (frame.stream !== stream) continue;
      const data = frame.bytes.subarray(frameHeaderBytes);
      pieces.unshift(data);
      size += data.length;
    }
    return Buffer.concat(pieces).subarray(-maxBytes).toString();
  }

  #keep(stream: OutputStream, bytes: Buffer): void {
    this.#kept.push({ stream, offset: this.#end, bytes });
    this.#end += bytes.length;
    this.#keptBytes += bytes.length;
    while (this.#keptBytes > maxKeptBytes || this.#kept.length > maxKeptFrames) {
      this.#keptBytes -= this.#kept.shift()?.bytes.length ?? 0;
    }
  }

  /** Resolves at once until a second's bytes are used up, then when the second is over. */
  async #holdBack(bytes: number): Promise<void> {
    const now = this.#clock.uptimeMs();
    const isSame = now < this.#second.startedAtMs + secondMs;
    if (!isSame) this.#second = { startedAtMs: now, bytes: 0 };
    this.#second.bytes += bytes;
    if (this.#second.bytes > maxBytesPerSecond) await sleep(this.#clock, this.#second.startedAtMs + secondMs - now);
  }
}
