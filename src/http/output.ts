import type { LogStore } from '../domain/blob-store.ts';
import { logFrames } from './log-frames.ts';

/**
 * What an attempt has printed until now, without our own notices. Error: `DamagedLog`, after what is readable.
 * @param stream `all`: both, in the order they came
 */
export async function* rawOutput(
  logs: LogStore,
  jobId: string,
  attempt: number,
  stream: 'stdout' | 'stderr' | 'all',
): AsyncGenerator<Uint8Array> {
  for await (const { frame } of logFrames(logs, jobId, attempt, 0, false)) {
    if (frame.stream === stream || (stream === 'all' && frame.stream !== 'notice')) yield frame.data;
  }
}
