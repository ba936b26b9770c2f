import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { frameToGuest, readGuestFrame } from './frames.ts';
import { mirrored } from './guest.fake.ts';

const port = fc.integer({ min: 0, max: 65_535 });
const datagrams = fc.record({ fromPort: port, toPort: port, data: fc.uint8Array({ maxLength: 2_000 }) });

test('what comes back from a guest that mirrors it is the same, the other way round', () => {
  fc.assert(
    fc.property(datagrams, ({ fromPort, toPort, data }) => {
      const read = readGuestFrame(mirrored(frameToGuest({ fromPort, toPort, data })));
      assert.ok(read.kind === 'datagram');
      assert.deepEqual([read.fromPort, read.toPort], [toPort, fromPort]);
      assert.deepEqual(Buffer.from(read.data), Buffer.from(data));
    }),
  );
});

test('a frame to the guest, byte by byte', () => {
  const frame = frameToGuest({ fromPort: 10_000, toPort: 8_000, data: Buffer.from('abc') });
  const ethernet = '525400000315 525400000302 0800';
  // With its checksum, the words of the header add up to 0xffff.
  const ip = '4500 001f 0000 4000 4011 20be 0a000302 0a00030f';
  const udp = '2710 1f40 000b 0000 616263';
  assert.equal(frame.toString('hex'), `${ethernet}${ip}${udp}`.replaceAll(' ', ''));
});

test('the question for the gateway is answered, others are not', () => {
  const ask = (target: string): Buffer =>
    Buffer.from(`ffffffffffff525400000315080600010800060400015254000003150a00030f000000000000${target}`, 'hex');
  const read = readGuestFrame(ask('0a000302'));
  assert.ok(read.kind === 'question');
  assert.equal(
    read.answer.toString('hex'),
    '5254000003155254000003020806000108000604000252540000030' + '20a0003025254000003150a00030f',
  );
  assert.equal(readGuestFrame(ask('0a000303')).kind, 'other');
});

test('whatever a guest sends is read without harm, and only whole datagrams to the gateway count', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(readGuestFrame(Buffer.from(bytes)).kind, 'other');
    }),
  );
  const good = mirrored(frameToGuest({ fromPort: 1, toPort: 2, data: Buffer.from('abcdef') }));
  assert.equal(readGuestFrame(good).kind, 'datagram');
  const changed = (at: number, value: number): Buffer => {
    const frame = Buffer.from(good);
    frame.writeUInt8(value, at);
    return frame;
  };
  for (const [at, value, what] of [
    [12, 0x86, 'another protocol than IP'],
    [14, 0x46, 'a header with options'],
    [20, 0x20, 'a fragment that more follow'],
    [21, 0x01, 'a later fragment'],
    [23, 6, 'TCP'],
    [29, 0x63, 'from another address'],
    [33, 0x63, 'to another address'],
    [38, 0xff, 'longer than it is'],
    [39, 7, 'shorter than its own header'],
  ] as const) {
    assert.equal(readGuestFrame(changed(at, value)).kind, 'other', what);
  }
  for (let length = 0; length < good.length; length += 1)
    assert.equal(readGuestFrame(good.subarray(0, length)).kind, 'other');
});
