/**
 * The frame log: how a run's stdout and stderr are kept and sent, from the agent's disk to the user's terminal.
 *
 * Frame: u8 stream (1 stdout, 2 stderr, 3 notice of ours), u48 time (ms since 1970), u32 length, then that many bytes,
 * all big-endian. A log is frames back to back; an offset into it is a byte count, and any prefix cut by a crash is
 * completed by asking again from the length that is there.
 */

export type OutputStream = 'stdout' | 'stderr' | 'notice';

export interface OutputFrame {
  readonly stream: OutputStream;
  readonly atMs: number;
  readonly data: Uint8Array;
}

export const frameHeaderBytes = 11;
/** A writer cuts longer pieces; a reader refuses longer frames. */
export const maxFrameDataBytes = 64 * 1024;

const streamCodes: Readonly<Record<OutputStream, number>> = { stdout: 1, stderr: 2, notice: 3 };
const streamNames: Readonly<Record<number, OutputStream>> = { 1: 'stdout', 2: 'stderr', 3: 'notice' };

/** Encodes one frame. `data` is at most maxFrameDataBytes. */
export function encodeFrame(frame: OutputFrame): Buffer {
  if (frame.data.length > maxFrameDataBytes) throw new RangeError(`frame of ${frame.data.length} bytes`);
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUInt8(streamCodes[frame.stream], 0);
  header.writeUIntBE(frame.atMs, 1, 6);
  header.writeUInt32BE(frame.data.length, 7);
  return Buffer.concat([header, frame.data]);
}

/** Bytes are no frame. */
export class NoFrame extends RangeError {
  /** Frames before them that were not returned yet. */
  readonly before: readonly OutputFrame[];

  constructor(before: readonly OutputFrame[]) {
    super('not an output frame');
    this.before = before;
  }
}

/** Cuts a byte stream into frames. Push chunks of any size; what is incomplete waits for the next push. */
export class FrameDecoder {
  #pending: Buffer = Buffer.alloc(0);

  /** Whole frames that are now complete. Throws NoFrame on bytes that are none. */
  push(chunk: Uint8Array): OutputFrame[] {
    const bytes = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    const frames: OutputFrame[] = [];
    let at = 0;
    while (bytes.length - at >= frameHeaderBytes) {
      const length = bytes.readUInt32BE(at + 7);
      const stream = streamNames[bytes.readUInt8(at)];
      if (stream === undefined || length > maxFrameDataBytes) throw new NoFrame(frames);
      const end = at + frameHeaderBytes + length;
      if (end > bytes.length) break;
      frames.push({ stream, atMs: bytes.readUIntBE(at + 1, 6), data: bytes.subarray(at + frameHeaderBytes, end) });
      at = end;
    }
    this.#pending = bytes.subarray(at);
    return frames;
  }

  /** Bytes of an unfinished frame. */
  get pendingBytes(): number {
    return this.#pending.length;
  }
}
