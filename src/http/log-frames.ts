import type { LogStore } from '../domain/blob-store.ts';
import { TidepoolError } from '../domain/errors.ts';
import { FrameDecoder, frameHeaderBytes, NoFrame, type OutputFrame } from '../protocol/output-frames.ts';

const readBytes = 256 * 1024;

/** A log that cannot be read further. */
export class DamagedLog extends TidepoolError {
  constructor(jobId: string, attempt: number, atByte: number, problem: string) {
    const text = `the log of attempt ${attempt} of job ${jobId} is damaged from byte ${atByte} on: ${problem}; what was printed before that is whole`;
    super('upstream', text, { details: { attempt, atByte } });
    this.name = 'DamagedLog';
  }
}

/**
 * The frames of an attempt's log, each with the offset behind it, to the present end.
 * @param from where a frame begins
 * @param isComplete whether nothing will be appended, so that a part of a frame at the end is damage
 * Error: `DamagedLog`, after all frames before the damage.
 */
export async function* logFrames(
  logs: Pick<LogStore, 'read'>,
  jobId: string,
  attempt: number,
  from: number,
  isComplete: boolean,
): AsyncGenerator<{ readonly frame: OutputFrame; readonly end: number }> {
  const decoder = new FrameDecoder();
  let readAt = from;
  let end = from;
  for (;;) {
    const chunk = await logs.read(jobId, attempt, readAt, readBytes);
    if (chunk.length === 0) break;
    readAt += chunk.length;
    const { frames, isDamaged } = decoded(decoder, chunk);
    for (const frame of frames) {
      end += frameHeaderBytes + frame.data.length;
      yield { frame, end };
    }
    if (isDamaged) throw new DamagedLog(jobId, attempt, end, 'there is no frame of output');
  }
  if (isComplete && decoder.pendingBytes > 0) throw new DamagedLog(jobId, attempt, end, 'its end is missing');
}

function decoded(decoder: FrameDecoder, chunk: Uint8Array): { frames: readonly OutputFrame[]; isDamaged: boolean } {
  try {
    return { frames: decoder.push(chunk), isDamaged: false };
  } catch (error) {
    if (error instanceof NoFrame) return { frames: error.before, isDamaged: true };
    throw error;
  }
}

/** Whether a frame of the log begins at an offset, as far as that can be known: behind damage, every offset may be one. */
export async function isFrameStart(
  logs: Pick<LogStore, 'read'>,
  jobId: string,
  attempt: number,
  offset: number,
): Promise<boolean> {
  try {
    for await (const { end } of logFrames(logs, jobId, attempt, 0, false)) if (end >= offset) return end === offset;
  } catch (error) {
    if (!(error instanceof DamagedLog)) throw error;
  }
  return true;
}
