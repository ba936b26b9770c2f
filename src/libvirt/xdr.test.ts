import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../domain/errors.ts';
import {
  array,
  bytes,
  type Codec,
  double,
  fixedArray,
  fixedBytes,
  hyper,
  int,
  optional,
  struct,
  text,
  uhyper,
  uint,
} from './codec.ts';
import { decode } from './connection.ts';
import { domainStatsRecord, remoteError, type TypedParameter, typedParameter } from './types.ts';
import { XdrReader, XdrWriter } from './xdr.ts';

function encode<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new XdrWriter();
  codec.write(writer, value);
  return writer.finish();
}

function roundTrips<T>(codec: Codec<T>, values: fc.Arbitrary<T>): void {
  fc.assert(
    fc.property(values, (value) => {
      const written = encode(codec, value);
      assert.equal(written.length % 4, 0);
      // fast-check makes objects without a prototype; a clone has the usual one.
      assert.deepEqual(decode(codec, written), structuredClone(value));
    }),
  );
}

const bytesArbitrary = fc.uint8Array({ maxLength: 2000 }).map((array) => Uint8Array.from(array));
const wellFormed = fc.string({ unit: 'binary' });

test('every kind of value comes back as it was written', () => {
  roundTrips(int, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
  roundTrips(uint, fc.integer({ min: 0, max: 2 ** 32 - 1 }));
  roundTrips(hyper, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
  roundTrips(uhyper, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
  roundTrips(double, fc.double());
  roundTrips(text(10_000), wellFormed);
  roundTrips(bytes(2000), bytesArbitrary);
  roundTrips(optional(text(10_000)), fc.option(wellFormed));
  roundTrips(array(text(10_000), 50), fc.array(wellFormed, { maxLength: 50 }));
  roundTrips(fixedArray(int, 3), fc.tuple(fc.integer(), fc.integer(), fc.integer()));
  roundTrips(
    struct({ name: text(10_000), id: int, uuid: fixedBytes(16) }),
    fc.record({
      name: wellFormed,
      id: fc.integer(),
      uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((array) => Uint8Array.from(array)),
    }),
  );
});

test('typed parameters of every type come back as they were written', () => {
  const value: fc.Arbitrary<TypedParameter['value']> = fc.oneof(
    fc.record({ type: fc.constant('int' as const), value: fc.integer() }),
    fc.record({ type: fc.constant('uint' as const), value: fc.nat() }),
    fc.record({ type: fc.constant('hyper' as const), value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }),
    fc.record({ type: fc.constant('uhyper' as const), value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
    fc.record({ type: fc.constant('double' as const), value: fc.double() }),
    fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
    fc.record({ type: fc.constant('string' as const), value: wellFormed }),
  );
  roundTrips(typedParameter, fc.record({ field: wellFormed, value }));
});

test('the bytes are those of the standard', () => {
  assert.equal(encode(text(10), 'sillyprog').toString('hex'), '0000000973696c6c7970726f67000000');
  assert.equal(encode(optional(int), null).toString('hex'), '00000000');
  assert.equal(encode(optional(int), -2).toString('hex'), '00000001fffffffe');
  assert.equal(encode(array(uint, 2), [1, 2]).toString('hex'), '000000020000000100000002');
  assert.equal(encode(hyper, -1n).toString('hex'), 'ffffffffffffffff');
});

test('whatever bytes come, reading gives a value or an upstream error, and takes no memory for what is not there', () => {
  for (const codec of [domainStatsRecord, remoteError, array(text(4_000_000), 16_384)] as Codec<unknown>[]) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
        try {
          decode(codec, garbage);
        } catch (error) {
          assert.ok(hasCode(error, 'upstream'), String(error));
        }
      }),
    );
  }
});

test('lengths that lie are upstream errors', () => {
  const cases: [string, Codec<unknown>][] = [
    ['ffffffff', text(4_000_000)],
    [`0000000b${'61'.repeat(12)}`, text(10)],
    ['0000000461', text(10)],
    [`00004001${'00'.repeat(64)}`, array(int, 16_384)],
    [`00000010${'00'.repeat(16)}`, array(int, 16_384)],
    [`00000002${'00'.repeat(4)}`, optional(int)],
    ['000000', int],
    ['0000000000000000', int],
  ];
  for (const [hex, codec] of cases) {
    assert.throws(
      () => decode(codec, Buffer.from(hex, 'hex')),
      (error) => hasCode(error, 'upstream'),
      hex,
    );
  }
});

test('a reader tells what is left', () => {
  const reader = new XdrReader(Buffer.alloc(12));
  reader.uint();
  assert.equal(reader.remaining, 8);
  reader.uhyper();
  assert.equal(reader.remaining, 0);
});
