import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MachineRecord, metadataXml, parseMetadata } from './metadata.ts';

/** Any text that XML 1.0 can hold. */
const anyText = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom(...'\t\n\r &<>#;"\'19ampltx') }),
);
const words = anyText.filter((text) => !/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text));
const port = fc.integer({ min: 1, max: 65_535 });
const records: fc.Arbitrary<MachineRecord> = fc.record({
  installationId: words,
  tags: fc.record({
    pool: words,
    role: fc.constantFrom('worker' as const, 'probe' as const),
    imageId: words,
    keyId: words,
    createdAtMs: fc.integer({ min: 0, max: 2 ** 48 }),
  }),
  vcpus: fc.integer({ min: 1, max: 64 }),
  memoryMiB: fc.integer({ min: 1, max: 2 ** 20 }),
  ports: fc.array(
    fc.record(
      {
        name: words,
        protocol: fc.constantFrom('tcp' as const, 'udp' as const),
        guestPort: port,
        hostPort: fc.option(port),
        device: fc.constantFrom('guest' as const, 'service' as const),
      },
      { requiredKeys: ['name', 'protocol', 'guestPort', 'hostPort'] },
    ),
    { maxLength: 4 },
  ),
  frames: fc.option(fc.record({ host: port, guest: port })),
  network: fc.constantFrom('user', 'network', 'bridge'),
});

test('a record comes back from its XML, whatever its words are', () => {
  fc.assert(
    fc.property(records, (record) => assert.deepEqual(parseMetadata(metadataXml(record).xml), structuredClone(record))),
  );
});

const good = metadataXml({
  installationId: 'i',
  tags: { pool: 'p', role: 'worker', imageId: 'm', keyId: 'k', createdAtMs: 1 },
  vcpus: 1,
  memoryMiB: 1,
  ports: [{ name: 'agent', protocol: 'tcp', guestPort: 9000, hostPort: 1234, device: 'service' }],
  frames: { host: 2345, guest: 3456 },
  network: 'user',
}).xml;

test('metadata that somebody changed by hand is not taken for ours', () => {
  assert.notEqual(parseMetadata(good), undefined);
  for (const [from, to] of [
    ['role="worker"', 'role="king"'],
    [' installation="i"', ''],
    [' pool="p"', ''],
    ['created="1"', 'created="now"'],
    ['created="1"', 'created="1e400"'],
    ['vcpus="1"', 'vcpus="-1"'],
    ['guest="9000"', 'guest="0"'],
    ['host="1234"', 'host="65536"'],
    ['protocol="tcp"', 'protocol="icmp"'],
    ['device="service"', 'device="disk"'],
    [' host-frames="2345"', ''],
    ['guest-frames="3456"', 'guest-frames="0"'],
    [' network="user"', ''],
  ] as const) {
    assert.ok(good.includes(from), from);
    assert.equal(parseMetadata(good.replace(from, to)), undefined, `${from} -> ${to}`);
  }
  for (const text of ['', 'no xml', '<other/>', '<machine>']) assert.equal(parseMetadata(text), undefined, text);
});

test('XML as libvirt gives it back, with single quotes and its own prefix', () => {
  const theirs = `<machine xmlns="https://tidepool.dev/xmlns/1" installation='i' pool='p' role='worker' image='m' key='k' created='1' vcpus='2' memory='3' network='user'>\n  <port name='agent' protocol='tcp' guest='9000' host='1'/>\n</machine>`;
  assert.equal(parseMetadata(theirs)?.vcpus, 2);
  assert.equal(parseMetadata(theirs)?.ports.length, 1);
});
