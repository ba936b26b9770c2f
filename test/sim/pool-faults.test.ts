import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../../src/domain/errors.ts';
import type { VmState } from '../../src/domain/vm.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { type ServerOptions, SimServer } from './server.ts';
import { World } from './world.ts';

const hourMs = 3_600_000;

/** A pool that has its VMs in service, on a host without trouble, and a server that can be replaced by its successor. */
async function calmPool(desired: number, options: Partial<ServerOptions> = {}) {
  const world = await World.make(1);
  world.bootMs = () => 3_000;
  const settings = { min: 0, max: desired, warm: 0, paused: false, policies: [] };
  const begin = async (more: Partial<ServerOptions> = {}): Promise<SimServer> => {
    const made = { settings, maxParallelLaunches: desired, minLifetimeMs: 0, ...options, ...more };
    const server = new SimServer(world, made);
    await server.start();
    return server;
  };
  let server = await begin();
  await server.pool.scale(desired, 'the test wants it');
  await world.clock.advance(10_000);
  const states = async (): Promise<VmState[]> => (await world.store.vms.list()).map(({ state }) => state);
  const count = async (state: VmState) => (await states()).filter((one) => one === state).length;
  const events = async (name: string) =>
    (await world.store.events.newest(1_000)).filter((event) => event.name === name).map(({ text }) => text);
  const submit = async (id: string, seconds: number): Promise<void> => {
    const job = queuedJob({ id, createdAtMs: world.clock.now() });
    const scriptBlob = `time.sleep(${seconds})\nprint('done')`;
    await world.store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob } });
    server.changes.notify('queue');
  };
  const restart = async (awayMs: number, more: Partial<ServerOptions> = {}): Promise<void> => {
    server.kill();
    await world.clock.advance(awayMs);
    server = await begin(more);
  };
  const stop = async (): Promise<void> => {
    assert.deepEqual(world.violations, []);
    const stopped = server.stop();
    await world.clock.advance(30_000);
    await stopped;
    await world.store.close();
  };
  return { world, server: () => server, states, count, events, submit, restart, stop };
}

test('a database that refuses writes for ten seconds: few tries, few lines, and all goes on afterwards', async () => {
  const { world, server, count, stop } = await calmPool(3);
  let tries = 0;
  world.writeFault = () => {
    tries += 1;
    return new TidepoolError('exhausted', 'the disk is full');
  };
  const lines = world.logged;
  await server()
    .pool.change({ max: 5 })
    .catch(() => undefined);
  world.deleted.add('sim-0000');
  world.harm('sim-0002', 'crash');
  world.hands.crash('sim-0002');
  tries = 0;
  await world.clock.advance(10_000);
  assert.ok(tries > 0 && tries <= 20, `${tries} writes were tried`);
  assert.ok(world.logged - lines < 60, `${world.logged - lines} lines`);
  world.writeFault = () => undefined;
  await world.clock.advance(40_000);
  assert.equal(await count('ready'), 3);
  await stop();
});

test('events that cannot be written stop nothing', async () => {
  const { world, server, count, stop } = await calmPool(2);
  const { append } = world.store.events;
  const events = world.store.events as { append: typeof append };
  events.append = async () => {
    throw new TidepoolError('exhausted', 'the disk is full');
  };
  await server().pool.change({ max: 4 });
  await server().pool.scale(4, 'the test wants it');
  await world.clock.advance(10_000);
  assert.equal(await count('ready'), 4);
  await server().pool.scale(0, 'the test wants it');
  await world.clock.advance(10_000);
  assert.deepEqual(await world.store.vms.list(), []);
  events.append = append;
  await stop();
});

test('a clock that is set, forward or back, fails no VM that boots, serves or drains, and holds up no launch', async () => {
  for (const jumpMs of [3 * hourMs, -3 * hourMs]) {
    const { world, server, count, events, submit, stop } = await calmPool(2, { minLifetimeMs: 5_000 });
    await submit('job-1', 60);
    await server().pool.change({ max: 3 });
    await server().pool.scale(3, 'the test wants it');
    await world.clock.advance(1_000);
    world.clock.jump(jumpMs);
    await world.clock.advance(10_000);
    assert.deepEqual([await count('ready'), await events('vm.failed')], [3, []]);
    await server().pool.scale(0, 'the test wants it');
    await world.clock.advance(2_000);
    assert.equal(await count('draining'), 1);
    world.clock.jump(jumpMs);
    await world.clock.advance(20_000);
    assert.deepEqual([await count('draining'), await events('vm.failed')], [1, []]);
    await world.clock.advance(60_000);
    assert.equal((await world.store.jobs.get('job-1'))?.state, 'succeeded');
    await server().pool.scale(2, 'the test wants it');
    await world.clock.advance(10_000);
    assert.equal(await count('ready'), 2);
    await stop();
  }
});

test('a server that was away, or stood still, for longer than a boot may take fails none that booted meanwhile', async () => {
  for (const how of ['away', 'still'] as const) {
    const { world, server, count, events, restart, stop } = await calmPool(1, { maxParallelLaunches: 2 });
    world.bootMs = () => 60_000;
    await server().pool.change({ max: 3 });
    await server().pool.scale(3, 'the test wants it');
    await world.clock.advance(2_000);
    assert.equal(await count('booting'), 2);
    if (how === 'away') await restart(400_000);
    else world.clock.freeze(400_000);
    await world.clock.advance(70_000);
    assert.deepEqual([await count('ready'), await events('vm.failed'), await events('alert.raised')], [3, [], []]);
    await stop();
  }
});

test('a list that is empty by mistake fails no VM; machines that are gone are asked for by their names', async () => {
  const { world, server, count, events, stop } = await calmPool(3);
  const list = server().hypervisor.list.bind(server().hypervisor);
  server().hypervisor.list = async () => [];
  await world.clock.advance(10_000);
  assert.deepEqual([await count('ready'), await events('vm.failed')], [3, []]);
  world.harm('sim-0000', 'vanish');
  server().hypervisor.delivery = () => undefined;
  world.hands.vanish('sim-0000');
  await world.clock.advance(5_000);
  assert.equal((await events('vm.failed')).length, 1);
  server().hypervisor.list = list;
  await world.clock.advance(10_000);
  assert.equal(await count('ready'), 3);
  await stop();
});

test('a conflict that is not about the name neither takes other names nor is tried without a pause', async () => {
  const { world, server, count, stop } = await calmPool(1);
  let creates = 0;
  world.hypervisorFault = (call, name) => {
    if (call !== 'create') return undefined;
    creates += 1;
    world.harm(name, 'its creation is refused');
    return { error: new TidepoolError('conflict', 'libvirt refused: the storage pool is not active') };
  };
  await server().pool.change({ max: 2 });
  await server().pool.scale(2, 'the test wants it');
  await world.clock.advance(30_000);
  assert.ok(creates >= 3 && creates <= 7, `${creates} tries in 30 s`);
  assert.ok((await world.store.vms.list()).every(({ name }) => name < 'sim-0003'));
  world.hypervisorFault = () => undefined;
  await world.clock.advance(40_000);
  assert.equal(await count('ready'), 2);
  await stop();
});

test('a pool of two that lost both has one again at once, and both soon', async () => {
  const { world, count, stop } = await calmPool(2);
  for (const name of ['sim-0000', 'sim-0002']) {
    world.harm(name, 'crash');
    if (world.host.machines.has(name)) world.hands.crash(name);
  }
  await world.clock.advance(12_000);
  assert.equal(await count('ready'), 2);
  await stop();
});

test('a guest that stands at a full disk is waited for, with one alert, and goes on with its job when there is room', async () => {
  const { world, count, events, submit, stop } = await calmPool(1);
  await submit('job-1', 30);
  await world.clock.advance(3_000);
  const name = (await world.store.jobs.get('job-1'))?.vmName ?? '';
  world.host.diskFreeBytes = 1024 ** 2;
  world.hands.pauseByError(name);
  await world.clock.advance(40 * 60_000);
  assert.deepEqual([await count('ready'), await events('vm.failed')], [1, []]);
  assert.deepEqual((await events('alert.raised')).length, 1);
  assert.match((await events('alert.raised'))[0] ?? '', /the disk of the host is full/);
  world.host.diskFreeBytes = 100 * 1024 ** 3;
  await world.clock.advance(120_000);
  assert.equal((await events('alert.cleared')).length, 1);
  const job = await world.store.jobs.get('job-1');
  assert.deepEqual([job?.state, job?.attempt], ['succeeded', 1]);
  await stop();
});

test('a host without memory or disk: the pool waits with the reason and an alert, and launches when there is room', async () => {
  const { world, server, count, events, stop } = await calmPool(1);
  await server().pool.change({ max: 4 });
  world.host.diskFreeBytes = 1024 ** 3;
  await world.clock.advance(2_000);
  await server().pool.scale(3, 'the test wants it');
  await world.clock.advance(20_000);
  assert.deepEqual([await count('ready'), await count('booting')], [1, 0]);
  assert.match(server().pool.waitsFor ?? '', /^host disk: 1024 MiB are free/);
  world.host.diskFreeBytes = 1024 ** 4;
  world.host.memoryBytes = 5 * 1024 ** 3;
  await world.clock.advance(20_000);
  // Each has 1 GiB, and 1 GiB is the reserve.
  assert.equal(await count('ready'), 3);
  await server().pool.scale(4, 'the test wants it');
  await world.clock.advance(20_000);
  assert.match(server().pool.waitsFor ?? '', /^host memory: /);
  world.host.memoryBytes = 64 * 1024 ** 3;
  await world.clock.advance(20_000);
  assert.deepEqual([await count('ready'), server().pool.waitsFor], [4, null]);
  assert.deepEqual([(await events('alert.raised')).length, (await events('alert.cleared')).length], [2, 2]);
  await stop();
});

test('VMs of another image are replaced one at a time, the new one first; no job is lost', async () => {
  const { world, count, events, submit, restart, stop } = await calmPool(3);
  for (let i = 0; i < 4; i += 1) await submit(`job-${i}`, 40);
  await world.clock.advance(3_000);
  await restart(1_000, { imageId: 'newer' });
  let most = 0;
  for (let second = 0; second < 400; second += 1) {
    await world.clock.advance(1_000);
    assert.ok((await count('ready')) >= 3);
    most = Math.max(most, (await world.store.vms.list()).length);
  }
  assert.ok(most <= 5, `${most} VMs at one time`);
  assert.deepEqual([...new Set((await world.store.vms.list()).map(({ imageId }) => imageId))], ['newer']);
  assert.match((await events('vm.draining'))[0] ?? '', /its image is not that of new VMs/);
  for (let i = 0; i < 4; i += 1) {
    const job = await world.store.jobs.get(`job-${i}`);
    assert.deepEqual([job?.state, job?.attempt], ['succeeded', 1]);
  }
  await stop();
});

test('a VM whose agent is of another version gets no new work, and is replaced when its jobs have ended', async () => {
  const { world, server, count, submit, restart, stop } = await calmPool(2);
  await submit('job-1', 20);
  await world.clock.advance(3_000);
  const old = (await world.store.vms.list()).map(({ name }) => name);
  // As rows of a server from before the number have it.
  for (const name of old) {
    const vm = await world.store.vms.get(name);
    assert.ok(vm);
    const move = { state: 'ready' as const, reason: '', nowMs: vm.stateSinceMs, facts: { protocol: null } };
    await world.store.vms.move(name, ['ready'], move);
  }
  await restart(1_000);
  await submit('job-2', 5);
  await world.clock.advance(1_000);
  assert.equal((await world.store.jobs.get('job-2'))?.state, 'queued');
  await world.clock.advance(120_000);
  for (const id of ['job-1', 'job-2']) {
    const job = await world.store.jobs.get(id);
    assert.deepEqual([id, job?.state, job?.attempt], [id, 'succeeded', 1]);
  }
  assert.equal(await count('ready'), 2);
  assert.ok((await world.store.vms.list()).every(({ protocol }) => protocol === 1));
  assert.equal(server().pool.size.desired, 2);
  await stop();
});

test('a runtime of requirements replaces no VM until a job waits for it, and then one', async () => {
  const { world, events, submit, stop } = await calmPool(3);
  world.runtimes.push('req-0123456789ab');
  await world.clock.advance(60_000);
  assert.deepEqual(await events('vm.draining'), []);
  const id = 'job-1';
  const job = queuedJob({ id, createdAtMs: world.clock.now() });
  const spec = { ...job.spec, runtime: 'req-0123456789ab', scriptBlob: "print('done')" };
  await world.store.jobs.insert({ ...job, spec });
  await submit('job-2', 1);
  await world.clock.advance(60_000);
  assert.equal((await world.store.jobs.get(id))?.state, 'succeeded');
  assert.deepEqual(
    (await events('vm.draining')).map((text) => text.replace(/.*: /, '')),
    ['a job waits for a runtime that it lacks'],
  );
  await stop();
});
