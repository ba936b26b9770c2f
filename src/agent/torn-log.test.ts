import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { encodeFrame, FrameDecoder } from '../protocol/output-frames.ts';
import { wholeFrameBytes } from './whole-frames.ts';

const run = promisify(execFile);

/** Writes pieces until a write breaks off at the limit that its shell set, and then a notice of ours; prints what it knows. */
const writer = (path: string, pieceBytes: number): string => `
import { OutputLog } from ${JSON.stringify(new URL('./output-log.ts', import.meta.url).href)};
const clock = { now: () => 1, uptimeMs: () => 1, after: () => () => undefined };
const log = OutputLog.create(${JSON.stringify(path)}, clock, 10_000_000);
for (let i = 0; i < 20 && !log.isTruncated; i += 1) {
  await log.append('stdout', Buffer.alloc(${pieceBytes}, 65 + i));
  await log.notice('between');
}
const isTruncated = log.isTruncated;
await log.notice('after the disk was full');
await log.append('stderr', Buffer.alloc(${pieceBytes}));
await log.close();
const live = [];
for await (const chunk of log.read(0, new AbortController().signal)) live.push(chunk);
console.log(JSON.stringify({ isTruncated, sizeBytes: log.sizeBytes, liveBytes: Buffer.concat(live).length }));
`;

// A small log is written at once, a longer one by the thread pool.
for (const [limitKiB, pieceBytes] of [
  [16, 5_000],
  [512, 60_000],
] as const) {
  test(`a write that breaks off at ${limitKiB} KiB leaves whole frames, before and behind it`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tidepool-torn-'));
    try {
      const path = join(folder, 'log');
      await writeFile(join(folder, 'writer.mjs'), writer(path, pieceBytes));
      // `ulimit -f` counts blocks of 512 bytes in some shells and of 1,024 in others; both are reached.
      const shell = `ulimit -f ${limitKiB}; exec "$0" --no-warnings "$1"`;
      const { stdout } = await run('/bin/sh', ['-c', shell, execPath, join(folder, 'writer.mjs')]);
      const { isTruncated, sizeBytes, liveBytes } = JSON.parse(stdout);
      assert.ok(isTruncated, stdout);
      assert.equal(liveBytes, sizeBytes);
      const bytes = await readFile(path);
      assert.equal(bytes.length, sizeBytes);
      const decoder = new FrameDecoder();
      const frames = decoder.push(bytes);
      assert.equal(decoder.pendingBytes, 0);
      assert.match(String(frames.at(-1)?.data), /after the disk was full|between/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
}

test('the log of an agent that was killed while it wrote is whole up to its last whole frame', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-torn-'));
  try {
    const path = join(folder, 'log');
    const frames = Array.from({ length: 40 }, (_, i) =>
      encodeFrame({ stream: 'stdout', atMs: i, data: Buffer.alloc(20_000, i) }),
    );
    const whole = Buffer.concat(frames);
    for (const cut of [0, 1, 10, 11, 12, 20_010]) {
      await writeFile(path, whole.subarray(0, whole.length - cut));
      const expected = cut === 0 ? whole.length : whole.length - 20_011;
      assert.equal(await wholeFrameBytes(path), expected, `${cut} bytes are missing`);
    }
    await writeFile(path, '');
    assert.equal(await wholeFrameBytes(path), 0);
    await writeFile(path, 'no frames at all, but a text');
    assert.equal(await wholeFrameBytes(path), 0);
    assert.ok((await stat(path)).size > 0);
  } finally {
    await rm(folder, { recursive: true });
  }
});
