import { open } from 'node:fs/promises';
import { FrameDecoder } from '../protocol/output-frames.ts';

const readChunkBytes = 256 * 1024;

/**
 * Returns the length of a frame log up to the end of its last whole frame: an agent that is killed while it writes leaves a
 * torn one, and a copy of that could never go on.
 */
export async function wholeFrameBytes(path: string): Promise<number> {
  const file = await open(path, 'r');
  try {
    const decoder = new FrameDecoder();
    const chunk = Buffer.allocUnsafe(readChunkBytes);
    let whole = 0;
    for (let at = 0; ; ) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) return whole;
      at += bytesRead;
      if (!isFrames(decoder, chunk.subarray(0, bytesRead))) return whole;
      whole = at - decoder.pendingBytes;
    }
  } finally {
    await file.close();
  }
}

function isFrames(decoder: FrameDecoder, bytes: Uint8Array): boolean {
  try {
    decoder.push(bytes);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
