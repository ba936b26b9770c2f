import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../domain/errors.ts';
import { encodePacket, maxPacketBytes, type Packet, PacketReader } from './packet.ts';

const word = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const packets: fc.Arbitrary<Packet> = fc.record({
  program: word,
  version: word,
  procedure: word,
  type: word,
  serial: word,
  status: word,
  payload: fc.uint8Array({ maxLength: 300 }),
});

test('packets come out whole and in order, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(packets, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 90 })), (sent, cuts) => {
      const wire = Buffer.concat(sent.map(encodePacket));
      const reader = new PacketReader();
      const received: Packet[] = [];
      let at = 0;
      for (const cut of [...cuts, wire.length]) {
        received.push(...reader.push(wire.subarray(at, at + cut)));
        at += cut;
      }
      const plain = (packet: Packet) => ({ ...packet, payload: [...packet.payload] });
      assert.deepEqual(received.map(plain), sent.map(plain));
    }),
  );
});

test('one byte at a time', () => {
  const wire = encodePacket({
    program: 1,
    version: 1,
    procedure: 1,
    type: 1,
    serial: 1,
    status: 0,
    payload: Buffer.from('abcd'),
  });
  const reader = new PacketReader();
  const received = [...wire].flatMap((byte) => reader.push(Uint8Array.of(byte)));
  assert.equal(received.length, 1);
  assert.equal(Buffer.from(received[0]?.payload ?? []).toString(), 'abcd');
});

test('a length that is too small or too large is refused before anything is kept', () => {
  for (const length of [0, 4, 27, maxPacketBytes + 1, 0xffff_ffff]) {
    const wire = Buffer.alloc(4);
    wire.writeUInt32BE(length);
    assert.throws(
      () => new PacketReader().push(wire),
      (error) => hasCode(error, 'upstream'),
    );
  }
});
