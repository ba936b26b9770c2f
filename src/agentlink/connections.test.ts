import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentAddress } from '../domain/agent-link.ts';
import { Connections } from './connections.ts';

function address(number: number): AgentAddress {
  return { host: '127.0.0.1', port: 1 + number, keyId: `k${number}`, key: new Uint8Array([number % 256, number >> 8]) };
}

test('however many VMs there are, each is asked on the connections that it has', () => {
  const connections = new Connections();
  const round = () => new Set(Array.from({ length: 5_000 }, (_, number) => connections.of(address(number))));
  const first = round();
  assert.equal(first.size, 5_000);
  // Each agent that is not among the first would be a handshake.
  const fresh = [...round()].filter((agent) => !first.has(agent));
  assert.equal(fresh.length, 0);
  connections.close();
});

test('connections to VMs that are gone end at the second look, and others stay', () => {
  const connections = new Connections();
  const [stays, goes] = [connections.of(address(1)), connections.of(address(2))];
  let ended = 0;
  goes.destroy = () => {
    ended += 1;
  };
  connections.keepOnly(new Set(['k1']));
  assert.equal(ended, 0);
  assert.equal(connections.of(address(2)), goes);
  // A VM that was only seen late.
  connections.keepOnly(new Set(['k1', 'k2']));
  connections.keepOnly(new Set(['k1']));
  assert.equal(ended, 0);
  connections.keepOnly(new Set(['k1']));
  assert.equal(ended, 1);
  assert.equal(connections.of(address(1)), stays);
  assert.notEqual(connections.of(address(2)), goes);
  connections.close();
});
