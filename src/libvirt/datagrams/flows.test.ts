import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Flows } from './flows.ts';

const peer = (port: number) => ({ address: '127.0.0.1', port, guestPort: 8_000 });

test('each peer has a port of its own, and keeps it', () => {
  const flows = new Flows();
  const [first, second] = [flows.portOf(peer(1), 0), flows.portOf(peer(2), 0)];
  assert.notEqual(first, second);
  assert.equal(flows.portOf(peer(1), 1), first);
  assert.deepEqual(flows.peerAt(first, 8_000, 1), peer(1));
  assert.deepEqual(flows.peerAt(second, 8_000, 1), peer(2));
});

test('the guest reaches nobody who did not send, not from another of its ports, and not later', () => {
  const flows = new Flows();
  const port = flows.portOf(peer(1), 0);
  assert.equal(flows.peerAt(port + 1, 8_000, 0), undefined);
  assert.equal(flows.peerAt(port, 8_001, 0), undefined);
  assert.deepEqual(flows.peerAt(port, 8_000, 60_000), peer(1));
  assert.equal(flows.peerAt(port, 8_000, 60_001), undefined);
  assert.equal(flows.portOf(peer(1), 60_001), port);
  assert.deepEqual(flows.peerAt(port, 8_000, 60_001), peer(1));
});

test('however many come, no two share a port, and who sent lately is not forgotten', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 300 }), (ports) => {
      const flows = new Flows();
      for (let other = 40_000; other < 44_090; other += 1) flows.portOf(peer(other), 0);
      const recent = ports.slice(-100);
      for (const port of ports) flows.portOf(peer(port), 0);
      const given = new Map(recent.map((port) => [port, flows.portOf(peer(port), 0)]));
      assert.equal(new Set(given.values()).size, new Set(recent).size);
      for (const [port, at] of given) assert.deepEqual(flows.peerAt(at, 8_000, 0), peer(port));
    }),
    { numRuns: 20 },
  );
});
