import type { LogStore } from '../domain/blob-store.ts';
import { FrameDecoder } from '../protocol/output-frames.ts';

const readBytes = 256 * 1024;

/** What an attempt has printed until now, without our own notices. @param stream `all`: both, in the order they came */
export async function* rawOutput(
  logs: LogStore,
  jobId: string,
  attempt: number,
  stream: 'stdout' | 'stderr' | 'all',
): AsyncGenerator<Uint8Array> {
  const decoder = new FrameDecoder();
  for (let offset = 0; ; ) {
    const chunk = await logs.read(jobId, attempt, offset, readBytes);
    if (chunk.length === 0) return;
    offset += chunk.length;
    for (const frame of decoder.push(chunk)) {
      if (frame.stream === stream || (stream === 'all' && frame.stream !== 'notice')) yield frame.data;
    }
  }
}
