import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentAddress } from '../domain/agent-link.ts';
import { TidepoolError } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { Removals } from './removals.ts';

/** VMs whose agents are asked for removals; 'gone' is no more, and 'broken' cannot be reached. */
function world() {
  const clock = new FakeClock();
  const removed: string[] = [];
  const log: string[] = [];
  const stopping = new AbortController();
  const find = async (vmName: string): Promise<AgentAddress | undefined> =>
    vmName === 'gone' ? undefined : { host: vmName, port: 9_000, keyId: 'key', key: new Uint8Array(32) };
  const remove = async ({ host }: AgentAddress, ids: readonly string[]): Promise<void> => {
    if (host === 'broken') throw new TidepoolError('unavailable', 'nobody answers');
    removed.push(`${host}: ${ids.join(' ')}`);
  };
  const parts = { link: { remove }, clock, find, log: (line: string) => log.push(line) };
  return { clock, removed, log, stopping, removals: new Removals(parts, stopping.signal) };
}

test('each VM is told once of all that ended within a second', async () => {
  const { clock, removed, log, removals } = world();
  removals.add('one', 'a-1');
  removals.add('other', 'b-1');
  await clock.advance(900);
  removals.add('one', 'c-1');
  assert.deepEqual(removed, []);
  await clock.advance(100);
  assert.deepEqual(removed, ['one: a-1 c-1', 'other: b-1']);
  removals.add('one', 'd-1');
  await clock.advance(1_000);
  assert.deepEqual(removed.slice(2), ['one: d-1']);
  await clock.advance(10_000);
  assert.deepEqual([removed.length, log], [3, []]);
});

test('what cannot be told is left to the sweep, and said so; of a VM that is gone there is nothing to say', async () => {
  const { clock, removed, log, removals } = world();
  for (const vm of ['gone', null, 'broken', 'one']) removals.add(vm, 'a-1');
  await clock.advance(1_000);
  assert.deepEqual(removed, ['one: a-1']);
  assert.deepEqual(log, ['leftovers of a-1 stay on broken until the next sweep: nobody answers']);
});

test('nobody is told any more once it is stopped', async () => {
  const { clock, removed, stopping, removals } = world();
  removals.add('one', 'a-1');
  stopping.abort();
  await clock.advance(1_000);
  assert.deepEqual(removed, []);
});
