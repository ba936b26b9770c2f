import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, FrameDecoder, frameHeaderBytes, maxFrameDataBytes, type OutputFrame } from './output-frames.ts';

const frames = fc.array(
  fc.record({
    stream: fc.constantFrom('stdout', 'stderr', 'notice'),
    atMs: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    data: fc.uint8Array({ maxLength: 200 }),
  }),
  { maxLength: 10 },
);

function plain(frame: OutputFrame): unknown {
  return { stream: frame.stream, atMs: frame.atMs, data: [...frame.data] };
}

test('frames come back as they were, however the log is cut into chunks', () => {
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 100 }), (sent, size) => {
      const log = Buffer.concat(sent.map(encodeFrame));
      const decoder = new FrameDecoder();
      const got: OutputFrame[] = [];
      for (let at = 0; at < log.length; at += size) got.push(...decoder.push(log.subarray(at, at + size)));
      assert.deepEqual(got.map(plain), sent.map(plain));
      assert.equal(decoder.pendingBytes, 0);
    }),
  );
});

test('of a log that is cut anywhere, the whole frames are read and the rest is counted', () => {
  fc.assert(
    fc.property(frames, fc.double({ min: 0, max: 1, noNaN: true }), (sent, where) => {
      const log = Buffer.concat(sent.map(encodeFrame));
      const cut = Math.floor(where * log.length);
      const decoder = new FrameDecoder();
      const got = decoder.push(log.subarray(0, cut));
      const gotBytes = got.reduce((sum, frame) => sum + frameHeaderBytes + frame.data.length, 0);
      assert.equal(gotBytes + decoder.pendingBytes, cut);
      assert.deepEqual([...got, ...decoder.push(log.subarray(cut))].map(plain), sent.map(plain));
    }),
  );
});

test('the layout is one byte of stream, six of time, four of length, then the data', () => {
  const frame = encodeFrame({ stream: 'stderr', atMs: 0x010203040506, data: Buffer.from('hi') });
  assert.equal(frame.toString('hex'), '020102030405060000000268' + '69');
});

test('a longest frame passes, a longer one does not', () => {
  const longest = encodeFrame({ stream: 'stdout', atMs: 1, data: new Uint8Array(maxFrameDataBytes) });
  assert.equal(new FrameDecoder().push(longest).length, 1);
  assert.throws(
    () => encodeFrame({ stream: 'stdout', atMs: 1, data: new Uint8Array(maxFrameDataBytes + 1) }),
    RangeError,
  );
  longest.writeUInt32BE(maxFrameDataBytes + 1, 7);
  assert.throws(() => new FrameDecoder().push(longest), RangeError);
});

test('an unknown stream is no frame', () => {
  for (const code of [0, 4, 255]) {
    const frame = encodeFrame({ stream: 'stdout', atMs: 1, data: Buffer.from('x') });
    frame.writeUInt8(code, 0);
    assert.throws(() => new FrameDecoder().push(frame), RangeError);
  }
});
