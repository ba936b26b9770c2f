import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameDecoder, type OutputFrame } from '../protocol/output-frames.ts';
import { OutputLog } from './output-log.ts';

const clock = { now: () => 1_780_000_000_000, uptimeMs: () => 0, after: () => () => undefined };
const never = new AbortController().signal;

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-output-log-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function bytesOf(log: OutputLog, offset = 0, signal = never): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of log.read(offset, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function textOf(frames: readonly OutputFrame[], stream: string): string {
  return Buffer.concat(frames.filter((frame) => frame.stream === stream).map((frame) => frame.data)).toString('latin1');
}

test('whatever is appended comes back, per stream and in order, from any offset', async () => {
  const pieces = fc.array(fc.tuple(fc.constantFrom('stdout', 'stderr'), fc.uint8Array({ maxLength: 300 })), {
    maxLength: 30,
  });
  await withFolder(async (folder) => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(pieces, fc.double({ min: 0, max: 1, noNaN: true }), async (parts, where) => {
        count += 1;
        const log = await OutputLog.create(join(folder, String(count)), clock, 1_000_000);
        const live = bytesOf(log);
        for (const [stream, data] of parts) await log.append(stream, data);
        await log.close();
        const all = await live;
        assert.equal(all.length, log.sizeBytes);
        const offset = Math.floor(where * all.length);
        const reopened = OutputLog.ended(join(folder, String(count)), clock, log.sizeBytes);
        assert.deepEqual(await bytesOf(log, offset), all.subarray(offset));
        assert.deepEqual(await bytesOf(reopened, offset), all.subarray(offset));
        const frames = new FrameDecoder().push(all);
        for (const stream of ['stdout', 'stderr'] as const) {
          const sent = Buffer.concat(parts.filter(([name]) => name === stream).map(([, data]) => data));
          assert.equal(textOf(frames, stream), sent.toString('latin1'));
        }
      }),
      { numRuns: 40 },
    );
  });
});

test('beyond the limit output is dropped, with one notice; our own notices still come', async () => {
  await withFolder(async (folder) => {
    const log = await OutputLog.create(join(folder, 'log'), clock, 10);
    for (let i = 0; i < 5; i += 1) await log.append('stdout', Buffer.from('abcd'));
    await log.notice('and this');
    await log.close();
    const frames = new FrameDecoder().push(await bytesOf(log));
    assert.equal(textOf(frames, 'stdout'), 'abcdabcdab');
    assert.match(textOf(frames, 'notice'), /^the output limit.*\nand this\n$/);
    assert.ok(log.isTruncated);
  });
});

test('single bytes cannot grow the log far beyond twice the limit', async () => {
  await withFolder(async (folder) => {
    const maxBytes = 64 * 1024;
    const log = await OutputLog.create(join(folder, 'log'), clock, maxBytes);
    // Streams that take turns cannot be merged into longer frames.
    for (let i = 0; i < 40_000; i += 1) await log.append(i % 2 === 0 ? 'stdout' : 'stderr', Buffer.from('x'));
    await log.close();
    assert.ok(log.isTruncated);
    assert.ok(log.sizeBytes < 4 * maxBytes, `${log.sizeBytes}`);
  });
});

test('a reader that gives up ends, while the log stays open', async () => {
  await withFolder(async (folder) => {
    const log = await OutputLog.create(join(folder, 'log'), clock, 1_000);
    const giveUp = new AbortController();
    const reading = bytesOf(log, 0, giveUp.signal);
    await log.append('stdout', Buffer.from('x'));
    giveUp.abort();
    await reading;
    await log.close();
    assert.equal((await bytesOf(log)).length, 12);
  });
});
