import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Machine, MachineState } from '../domain/hypervisor.ts';
import { machineState } from './lifecycle.ts';
import { MachineTracker } from './tracker.ts';

const event = { defined: 0, undefined: 1, started: 2, suspended: 3, resumed: 4, stopped: 5, shutdown: 6, crashed: 8 };

function machine(uuid: string, state: MachineState): Machine {
  const tags = { pool: 'p', role: 'worker' as const, imageId: 'i', keyId: 'k', createdAtMs: 0 };
  return {
    uuid,
    name: `name-${uuid}`,
    state,
    pauseReason: null,
    tags,
    flavor: { vcpus: 1, memoryMiB: 1 },
    endpoints: [],
  };
}

test('a life as libvirt tells it', () => {
  const tracker = new MachineTracker();
  tracker.expect('u', 'w');
  const told = [
    [event.defined, 0],
    [event.resumed, 0],
    [event.started, 0],
    [event.suspended, 0],
    [event.resumed, 0],
    [event.shutdown, 1],
    [event.stopped, 0],
    [event.undefined, 0],
  ].map(([number = -1, detail = -1]) => tracker.apply('u', number, detail));
  assert.deepEqual(
    told.filter((found) => found !== undefined),
    [
      { name: 'w', kind: 'started', detail: 'booted' },
      { name: 'w', kind: 'suspended', detail: 'paused' },
      { name: 'w', kind: 'resumed', detail: 'unpaused' },
      { name: 'w', kind: 'stopped', detail: 'shutdown' },
      { name: 'w', kind: 'gone', detail: 'removed' },
    ],
  );
  assert.equal(tracker.knows('u'), false);
});

test('a list that shows a machine at the beginning of its start, paused, hides no start', () => {
  const tracker = new MachineTracker();
  tracker.expect('u', 'w');
  tracker.apply('u', event.defined, 0);
  tracker.beginList();
  assert.deepEqual(tracker.observe([{ ...machine('u', 'paused'), name: 'w' }]), []);
  assert.equal(tracker.apply('u', event.resumed, 0), undefined);
  assert.equal(tracker.apply('u', event.started, 0)?.kind, 'started');
  assert.equal(tracker.apply('u', event.suspended, 0)?.kind, 'suspended');
  tracker.beginList();
  assert.deepEqual(tracker.observe([{ ...machine('u', 'running'), name: 'w' }])[0]?.kind, 'resumed');
});

test('a start of which no event came is found by a list', () => {
  const tracker = new MachineTracker();
  tracker.expect('u', 'w');
  assert.deepEqual(tracker.observe([{ ...machine('u', 'paused'), name: 'w' }]), []);
  const [found] = tracker.observe([{ ...machine('u', 'running'), name: 'w' }]);
  assert.deepEqual(found, { name: 'w', kind: 'started', detail: 'found running' });
});

test('a crash is told once, though libvirt has two events for it', () => {
  const tracker = new MachineTracker();
  tracker.observe([machine('u', 'running')]);
  assert.deepEqual(tracker.apply('u', event.crashed, 0), { name: 'name-u', kind: 'crashed', detail: 'panicked' });
  assert.equal(tracker.apply('u', event.stopped, 2), undefined);
});

test('QEMU killed: stopped, failed, is a crash', () => {
  const tracker = new MachineTracker();
  tracker.observe([machine('u', 'running')]);
  assert.equal(tracker.apply('u', event.stopped, 5)?.kind, 'crashed');
});

test('strangers are no news', () => {
  assert.equal(new MachineTracker().apply('x', event.started, 0), undefined);
});

test('what changed unseen becomes events', () => {
  const tracker = new MachineTracker();
  tracker.observe(['a', 'b', 'c', 'd', 'e'].map((uuid) => machine(uuid, 'running')));
  tracker.expect('f', 'being made');
  const events = tracker.observe([
    machine('a', 'running'),
    machine('b', 'paused'),
    machine('c', 'off'),
    machine('d', 'crashed'),
    machine('g', 'running'),
  ]);
  assert.deepEqual(
    events.map(({ name, kind }) => [name, kind]),
    [
      ['name-e', 'gone'],
      ['name-b', 'suspended'],
      ['name-c', 'stopped'],
      ['name-d', 'crashed'],
      ['name-g', 'started'],
    ],
  );
  assert.equal(tracker.knows('f'), true);
});

test('an event that comes while the list is read is newer than the list', () => {
  const tracker = new MachineTracker();
  tracker.observe(['a', 'b'].map((uuid) => machine(uuid, 'running')));
  tracker.beginList();
  tracker.apply('a', event.stopped, 1);
  tracker.apply('b', event.stopped, 1);
  tracker.apply('b', event.undefined, 0);
  tracker.expect('c', 'being made');
  tracker.apply('c', event.defined, 0);
  // Read before all that.
  assert.deepEqual(tracker.observe([machine('a', 'running'), machine('b', 'running')]), []);
  assert.deepEqual([tracker.knows('b'), tracker.knows('c')], [false, true]);
  tracker.beginList();
  const events = tracker.observe([machine('a', 'off'), machine('d', 'running')]);
  assert.deepEqual(
    events.map(({ name, kind }) => [name, kind]),
    [
      ['being made', 'gone'],
      ['name-d', 'started'],
    ],
  );
});

test('states and their reasons', () => {
  const cases: [number, number, MachineState][] = [
    [1, 1, 'running'],
    [2, 0, 'running'],
    [4, 1, 'running'],
    [3, 1, 'paused'],
    [3, 10, 'crashed'],
    [7, 0, 'paused'],
    [5, 0, 'off'],
    [5, 1, 'off'],
    [5, 3, 'crashed'],
    [5, 6, 'crashed'],
    [6, 1, 'crashed'],
  ];
  for (const [state, reason, expected] of cases)
    assert.equal(machineState(state, reason), expected, `${state}/${reason}`);
});
