import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../../src/domain/errors.ts';
import type { CloudEvent } from '../../src/domain/event.ts';
import type { VmState } from '../../src/domain/vm.ts';
import { SimServer } from './server.ts';
import { World } from './world.ts';

/** A pool that is given time until it has this many VMs in service, on a host without trouble. */
async function calmPool(desired: number) {
  const world = await World.make(1);
  world.bootMs = () => 3_000;
  const settings = { min: 0, max: desired, warm: 0, paused: false, policies: [] };
  const server = new SimServer(world, { settings, maxParallelLaunches: desired, minLifetimeMs: 0 });
  await server.start();
  await server.pool.scale(desired, 'the test wants it');
  await world.clock.advance(10_000);
  const count = async (state: VmState) => (await world.store.vms.list()).filter((vm) => vm.state === state).length;
  assert.equal(await count('ready'), desired);
  const events = async (name: CloudEvent['name']) =>
    (await world.store.events.newest(1_000)).filter((event) => event.name === name);
  const stop = async (): Promise<void> => {
    const stopped = server.stop();
    await world.clock.advance(30_000);
    await stopped;
    await world.store.close();
  };
  return { world, server, count, events, stop };
}

test('a create that hangs: failed after a minute and replaced; its machine, when it comes late, is removed', async () => {
  const { world, server, count, events, stop } = await calmPool(1);
  world.hypervisorFault = (call) => (call === 'create' ? { waitMs: 100_000 } : undefined);
  await server.pool.change({ max: 2 });
  await server.pool.scale(2, 'the test wants it');
  await world.clock.advance(59_000);
  assert.equal(await count('creating'), 1);
  world.hypervisorFault = () => undefined;
  await world.clock.advance(10_000);
  assert.equal(await count('ready'), 2);
  assert.match((await events('vm.failed'))[0]?.text ?? '', /took longer than 60 s|not be created within 60 s/);
  assert.equal((await world.hands.list()).length, 2);
  await world.clock.advance(100_000);
  assert.equal((await world.hands.list()).length, 2);
  assert.equal((await world.store.vms.list()).length, 2);
  await stop();
});

test('a create that never ends: told by an alert, not in the way of the pool, and not of its end', async () => {
  const { world, server, count, events, stop } = await calmPool(1);
  world.hypervisorFault = (call) => (call === 'create' ? { waitMs: Number.POSITIVE_INFINITY } : undefined);
  await server.pool.change({ max: 2 });
  await server.pool.scale(2, 'the test wants it');
  await world.clock.advance(30_000);
  world.hypervisorFault = () => undefined;
  await world.clock.advance(180_000);
  assert.deepEqual([await count('ready'), await count('failed')], [2, 1]);
  const alerts = await events('alert.raised');
  assert.equal(alerts.length, 1);
  assert.match(alerts[0]?.text ?? '', /cannot be removed .* is being created/);
  await stop();
});

test('a removal that fails is tried again with growing pauses, told by one alert, and cleared when it is done', async () => {
  const { world, server, count, events, stop } = await calmPool(2);
  const triesMs: number[] = [];
  const startMs = world.clock.now();
  world.hypervisorFault = (call) => {
    if (call !== 'remove') return undefined;
    triesMs.push(world.clock.now() - startMs);
    return { error: new TidepoolError('upstream', 'the disk is busy') };
  };
  world.deleted.add('sim-0000');
  await server.pool.deleteVm('sim-0000');
  await world.clock.advance(200_000);
  const pauses = triesMs.slice(1).map((atMs, i) => Math.round((atMs - (triesMs[i] ?? 0)) / 1_000));
  // A backoff differs by a fifth for its jitter, and the pool looks once a second.
  for (const [index, plain] of [1, 2, 4, 8, 16, 30, 30].entries())
    assert.ok(Math.abs((pauses[index] ?? 0) - plain) <= plain * 0.2 + 1, `${pauses}`);
  assert.deepEqual([await count('ready'), await count('stopping')], [2, 1]);
  assert.equal((await events('alert.raised')).length, 1);
  assert.equal((await events('alert.cleared')).length, 0);
  world.hypervisorFault = () => undefined;
  await world.clock.advance(31_000);
  assert.deepEqual([await count('ready'), await count('stopping')], [2, 0]);
  assert.equal((await events('alert.cleared'))[0]?.vm, 'sim-0000');
  await stop();
});

test('a removal that hangs is given up, and not begun again while it lasts; its name stays taken until it has ended', async () => {
  const { world, server, stop } = await calmPool(1);
  let removals = 0;
  world.hypervisorFault = (call) => {
    if (call !== 'remove') return undefined;
    removals += 1;
    return removals === 1 ? { waitMs: 100_000 } : undefined;
  };
  world.deleted.add('sim-0000');
  await server.pool.deleteVm('sim-0000');
  await world.clock.advance(40_000);
  assert.equal(removals, 1);
  await server.pool.change({ max: 2 });
  await server.pool.scale(2, 'the test wants it');
  await world.clock.advance(10_000);
  const names = async () => (await world.store.vms.list()).map((vm) => `${vm.name} ${vm.state}`);
  assert.deepEqual(await names(), ['sim-0000 stopping', 'sim-0001 ready', 'sim-0002 ready']);
  await world.clock.advance(60_000);
  assert.equal(removals, 1);
  assert.deepEqual(await names(), ['sim-0001 ready', 'sim-0002 ready']);
  await stop();
});

test('a VM that fails is replaced within a second, whatever was decided lately', async () => {
  const { world, server, count, stop } = await calmPool(3);
  await server.pool.scale(2, 'the test wants it');
  await world.clock.advance(10_000);
  const victim = (await world.store.vms.list())[0]?.name ?? '';
  world.harm(victim, 'crash');
  world.hands.crash(victim);
  await world.clock.advance(1_000);
  assert.deepEqual([await count('ready'), await count('booting')], [1, 1]);
  await stop();
});

test('more than a fifth of the pool fails at once: VMs are launched one at a time, with an alert, until it is whole', async () => {
  const { world, count, events, stop } = await calmPool(10);
  for (const name of ['sim-0001', 'sim-0004', 'sim-0007']) {
    world.harm(name, 'crash');
    world.hands.crash(name);
  }
  for (let i = 0; i < 40; i += 1) {
    await world.clock.advance(250);
    assert.ok((await count('creating')) + (await count('booting')) <= 1);
  }
  assert.match((await events('alert.raised'))[0]?.text ?? '', /3 VMs failed within a minute, 2 may/);
  await world.clock.advance(10_000);
  assert.equal(await count('ready'), 10);
  assert.deepEqual([(await events('alert.raised')).length, (await events('alert.cleared')).length], [1, 1]);
  await stop();
});

test('two of ten are replaced at once, without an alert', async () => {
  const { world, count, events, stop } = await calmPool(10);
  for (const name of ['sim-0001', 'sim-0004']) {
    world.harm(name, 'crash');
    world.hands.crash(name);
  }
  await world.clock.advance(10_000);
  assert.equal(await count('ready'), 10);
  assert.equal((await events('alert.raised')).length, 0);
  await stop();
});
