import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import type { MachineEvent, MachineSpec } from '../domain/hypervisor.ts';
import { FakeClock } from './clock.ts';
import { FakeHypervisor, type FakeHypervisorOptions } from './hypervisor.ts';

const spec: MachineSpec = {
  name: 'w-0000',
  tags: { pool: 'workers', role: 'worker', imageId: 'i', keyId: 'k', createdAtMs: 0 },
  flavor: { name: 'large', vcpus: 2, memoryMiB: 1024, diskGiB: 1 },
  accelerator: 'tcg',
  boot: { kernelPath: 'kernel', initrdPath: 'initrd', commandLine: '' },
  imagePath: 'image',
  sharedDisks: [],
  network: { kind: 'user' },
  ports: [{ name: 'agent', protocol: 'tcp', guestPort: 9000 }],
  secrets: {},
};

function make(options: Partial<FakeHypervisorOptions> = {}) {
  const clock = new FakeClock(0);
  const hypervisor = new FakeHypervisor({ clock, ...options });
  const events: string[] = [];
  hypervisor.onEvent((event: MachineEvent) => events.push(`${event.kind} ${event.detail}`));
  return { clock, hypervisor, events };
}

test('delays pass by the clock', async () => {
  const { clock, hypervisor } = make({ delays: { createMs: 300, destroyMs: 200, shutdownMs: 1000 } });
  const creating = hypervisor.create(spec);
  await clock.advance(299);
  assert.deepEqual(await hypervisor.list(), []);
  await clock.advance(1);
  assert.equal((await creating).state, 'running');
  await hypervisor.shutdown('w-0000');
  await clock.advance(999);
  assert.equal((await hypervisor.get('w-0000'))?.state, 'running');
  await clock.advance(1);
  assert.equal((await hypervisor.get('w-0000'))?.state, 'off');
});

test('the next create fails as told, once, and leaves nothing', async () => {
  const { hypervisor } = make();
  hypervisor.failNextCreate(new TidepoolError('exhausted', 'no memory'));
  await assert.rejects(hypervisor.create(spec), (error) => hasCode(error, 'exhausted'));
  assert.deepEqual(await hypervisor.list(), []);
  await hypervisor.create(spec);
});

test('a lost connection: calls fail, machines go on, and what changed is told afterwards', async () => {
  const { clock, hypervisor, events } = make();
  await hypervisor.create(spec);
  await clock.advance(0);
  hypervisor.loseConnection();
  await assert.rejects(hypervisor.list(), (error) => hasCode(error, 'unavailable'));
  hypervisor.crash('w-0000');
  await clock.advance(0);
  assert.deepEqual(events, ['started booted']);
  hypervisor.reconnect();
  await clock.advance(0);
  assert.deepEqual(events, ['started booted', 'crashed failed']);
  assert.equal((await hypervisor.get('w-0000'))?.state, 'crashed');
});

test('a call waits and fails as it is made to, and a machine may come late', async () => {
  const { clock, hypervisor } = make();
  hypervisor.fault = (call) => (call === 'create' ? { waitMs: 5_000 } : undefined);
  const creating = hypervisor.create(spec);
  await assert.rejects(hypervisor.remove('w-0000'), (error) => hasCode(error, 'conflict'));
  await clock.advance(5_000);
  assert.equal((await creating).state, 'running');
  hypervisor.fault = (call) => (call === 'remove' ? { error: new TidepoolError('timeout', 'no answer') } : undefined);
  await assert.rejects(hypervisor.remove('w-0000'), (error) => hasCode(error, 'timeout'));
  assert.equal((await hypervisor.list()).length, 1);
});

test('events come late or never, as they are made to', async () => {
  const { clock, hypervisor, events } = make();
  hypervisor.delivery = (event) => (event.kind === 'started' ? undefined : 300);
  await hypervisor.create(spec);
  hypervisor.crash('w-0000');
  await clock.advance(299);
  assert.deepEqual(events, []);
  await clock.advance(1);
  assert.deepEqual(events, ['crashed failed']);
});

test('a hung machine does not react to its power button', async () => {
  const { clock, hypervisor } = make();
  await hypervisor.create(spec);
  hypervisor.hang('w-0000');
  await hypervisor.shutdown('w-0000');
  await clock.advance(60_000);
  assert.equal((await hypervisor.get('w-0000'))?.state, 'running');
});

test('a machine that vanished is stopped, then gone', async () => {
  const { clock, hypervisor, events } = make();
  await hypervisor.create(spec);
  hypervisor.vanish('w-0000');
  await clock.advance(0);
  assert.deepEqual(events, ['started booted', 'stopped destroyed', 'gone removed']);
  assert.equal(await hypervisor.get('w-0000'), undefined);
});

test('CPU time follows the load, the vCPUs and the clock, and stands still while paused', async () => {
  const { clock, hypervisor } = make();
  await hypervisor.create(spec);
  hypervisor.setLoad('w-0000', 0.5);
  await clock.advance(1000);
  const cpuTime = async () => (await hypervisor.stats())[0]?.cpuTimeNs;
  assert.equal(await cpuTime(), 1_000_000_000n);
  await hypervisor.suspend('w-0000');
  await clock.advance(1000);
  assert.equal(await cpuTime(), 1_000_000_000n);
});

test('a guest is told of its life', async () => {
  const told: string[] = [];
  const { hypervisor } = make({
    guest: {
      started: (machine) => told.push(`started ${machine.endpoints[0]?.name}`),
      suspended: (name) => told.push(`suspended ${name}`),
      resumed: (name) => told.push(`resumed ${name}`),
      stopped: (name) => told.push(`stopped ${name}`),
    },
  });
  await hypervisor.create(spec);
  await hypervisor.suspend('w-0000');
  await hypervisor.resume('w-0000');
  await hypervisor.remove('w-0000');
  assert.deepEqual(told, ['started agent', 'suspended w-0000', 'resumed w-0000', 'stopped w-0000']);
});

test('four calls of a kind are carried out at a time; those that end machines hold back no list', async () => {
  const clock = new FakeClock();
  const hypervisor = new FakeHypervisor({ clock });
  for (let number = 0; number < 6; number += 1) await hypervisor.create({ ...spec, name: `m-${number}` });
  const queued: string[] = [];
  hypervisor.onQueued = (call, name) => queued.push(`${call} ${name}`);
  hypervisor.fault = (call) => (call === 'destroy' ? { waitMs: 45_000 } : undefined);
  const ends = Array.from({ length: 6 }, (_, number) => hypervisor.destroy(`m-${number}`));
  await clock.advance(45_000);
  const states = (await hypervisor.list()).map(({ state }) => state);
  assert.deepEqual(states, ['off', 'off', 'off', 'off', 'running', 'running']);
  assert.deepEqual(queued, ['destroy m-4', 'destroy m-5']);
  await clock.advance(45_000);
  await Promise.all(ends);
});

test('statistics can be slow and can fail, and a removal is shared by all who ask for it', async () => {
  const clock = new FakeClock();
  const hypervisor = new FakeHypervisor({ clock });
  await hypervisor.create({ ...spec, name: 'm' });
  const error = new TidepoolError('timeout', 'no statistics');
  hypervisor.fault = (call) => (call === 'stats' ? { waitMs: 5_000, error } : undefined);
  const stats = hypervisor.stats();
  const failed = assert.rejects(stats, (thrown) => thrown === error);
  await clock.advance(5_000);
  await failed;
  let removals = 0;
  hypervisor.fault = (call) => {
    if (call === 'remove') removals += 1;
    return { waitMs: 10_000 };
  };
  const both = Promise.all([hypervisor.remove('m'), hypervisor.remove('m')]);
  await clock.advance(10_000);
  await both;
  assert.equal(removals, 1);
  hypervisor.fault = () => undefined;
  assert.deepEqual(await hypervisor.list(), []);
});

test('a machine whose host has no room left for a write stands with this reason, until it is resumed', async () => {
  const { hypervisor, events } = make();
  await hypervisor.create(spec);
  const reason = async () => (await hypervisor.get('w-0000'))?.pauseReason;
  assert.equal(await reason(), null);
  hypervisor.pauseByError('w-0000');
  assert.equal(await reason(), 'no_room');
  await hypervisor.resume('w-0000');
  await hypervisor.suspend('w-0000');
  assert.equal(await reason(), 'asked');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(events.slice(1), ['suspended I/O error', 'resumed unpaused', 'suspended paused']);
});
