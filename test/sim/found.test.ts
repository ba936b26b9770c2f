import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../../src/domain/errors.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { SimServer } from './server.ts';
import { World } from './world.ts';

/** Faults that the random simulation has found, each as short as possible. */

/** A pool that has its VMs in service and kept warm, and a way to end its server. */
async function calmPool(desired: number, warm = 0, maxParallelLaunches = desired + warm) {
  const world = await World.make(1);
  world.bootMs = () => 3_000;
  const settings = { min: 0, max: desired + warm + 1, warm, paused: false, policies: [] };
  const options = { settings, maxParallelLaunches, minLifetimeMs: 0 };
  const server = new SimServer(world, options);
  await server.start();
  await server.pool.scale(desired, 'the test wants it');
  await world.clock.advance(25_000);
  const events = async (name: string) =>
    (await world.store.events.newest(1_000)).filter((event) => event.name === name).map(({ text }) => text);
  /** Returns whether the server ended within this time. */
  const stop = async (withinMs = 60_000): Promise<boolean> => {
    let isStopped = false;
    void server.stop().then(() => {
      isStopped = true;
    });
    await world.clock.advance(withinMs);
    return isStopped;
  };
  return { world, server, options, events, stop };
}

test('a job goes on when the end of its machine could not be written down at once', async () => {
  const { world, server, stop } = await calmPool(2);
  const job = queuedJob({ id: 'job-1', createdAtMs: world.clock.now() });
  await world.store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob: 'time.sleep(30)' } });
  server.changes.notify('queue');
  await world.clock.advance(2_000);
  const { move } = world.store.vms;
  let refused = 0;
  world.store.vms.move = async (name, from, to) => {
    if (to.state === 'dead' && refused === 0) {
      refused += 1;
      throw new TidepoolError('exhausted', 'the disk is full');
    }
    return move(name, from, to);
  };
  const name = (await world.store.jobs.get('job-1'))?.vmName ?? '';
  world.harm(name, 'crash');
  world.hands.crash(name);
  await world.clock.advance(60_000);
  assert.equal(refused, 1);
  const { state, attempt } = (await world.store.jobs.get('job-1')) ?? {};
  assert.deepEqual([state, attempt], ['succeeded', 2]);
  assert.ok(await stop());
  await world.store.close();
});

test('a guest that stands for lack of room is not resumed when its VM is being removed', async () => {
  const { world, server, stop } = await calmPool(1);
  world.host.diskFreeBytes = 0;
  world.hands.pauseByError('sim-0000');
  await world.clock.advance(5_000);
  const resumed: string[] = [];
  world.hypervisorFault = (call, name) => {
    if (call === 'resume') resumed.push(name);
    return call === 'remove' ? { error: new TidepoolError('upstream', 'the disk is busy') } : undefined;
  };
  await server.pool.deleteVm('sim-0000');
  world.host.diskFreeBytes = 1024 ** 4;
  await world.clock.advance(60_000);
  assert.deepEqual(resumed, []);
  assert.ok(await stop());
  await world.store.close();
});

test('agents that are silent do not hold the end of a server up one after the other', async () => {
  const { world, stop } = await calmPool(4);
  for (const [name, guest] of world.guests) {
    world.harm(name, 'silence');
    guest.silentUntilMs = Number.POSITIVE_INFINITY;
  }
  world.hypervisorFault = (call) => (call === 'remove' ? { waitMs: Number.POSITIVE_INFINITY } : undefined);
  // The sweep of the workers has begun, and waits for the first of them.
  await world.clock.advance(7_000);
  assert.ok(await stop(50_000));
  await world.store.close();
});

test('a VM that is being resumed when the server ends is not given up by a look that comes later', async () => {
  const { world, server, events, stop } = await calmPool(1, 1);
  // A launch keeps the end of the server waiting, until the look at the resumed machine is answered.
  world.hypervisorFault = (call) =>
    call === 'get' ? { answerMs: 3_000 } : call === 'create' ? { waitMs: 8_000 } : undefined;
  for (const guest of world.guests.values()) guest.silentUntilMs = world.clock.uptimeMs() + 8_000;
  await server.pool.scale(3, 'the test wants it');
  await world.clock.advance(1_000);
  assert.ok(await stop());
  assert.deepEqual(await events('vm.failed'), []);
  assert.deepEqual(world.violations, []);
  await world.store.close();
});

test('a VM that was parked soon after it stood for lack of room stays parked over a restart', async () => {
  const { world, options, stop } = await calmPool(0, 1);
  const [vm] = await world.store.vms.list();
  assert.equal(vm?.state, 'warm');
  // The server wrote this while the guest stood, and ended before it had seen for ten seconds that it goes on.
  await world.store.vms.learn(vm.name, vm.keyId, { isStanding: true });
  assert.ok(await stop());
  const next = new SimServer(world, options);
  await next.start();
  await world.clock.advance(60_000);
  const [same] = await world.store.vms.list();
  assert.deepEqual([same?.name, same?.state, same?.isStanding], [vm.name, 'warm', false]);
  next.kill();
  await world.store.close();
});

test('after two launches for the warm pool that failed, one at a time is tried until one comes up', async () => {
  const { world, server, stop } = await calmPool(1, 0, 3);
  let created: number[] = [];
  world.hypervisorFault = (call, name) => {
    if (call !== 'create') return undefined;
    created.push(world.clock.uptimeMs());
    world.harm(name, 'launches are refused');
    return { error: new TidepoolError('upstream', 'there is no network of that name') };
  };
  await server.pool.change({ warm: 4 });
  await world.clock.advance(60_000);
  const tries = Map.groupBy(created, (atMs) => Math.floor(atMs / 500)).size;
  assert.ok(tries >= 4 && created.length <= tries + 4, `${created.length} launches in ${tries} tries`);
  created = [];
  world.hypervisorFault = () => undefined;
  await world.clock.advance(120_000);
  assert.equal((await world.store.vms.list()).filter(({ state }) => state === 'warm').length, 4);
  assert.ok(await stop());
  await world.store.close();
});
