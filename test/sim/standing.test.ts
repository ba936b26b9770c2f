import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventName } from '../../src/domain/event.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { SimServer } from './server.ts';
import { World } from './world.ts';

const GiB = 1024 ** 3;

/** Two VMs, of which guests may stand since the disk of the host is full. */
async function cloud() {
  const world = await World.make(1);
  world.bootMs = () => 3_000;
  const settings = { min: 2, max: 2, warm: 0, paused: false, policies: [] };
  const begin = async (): Promise<SimServer> => {
    const made = new SimServer(world, { settings, maxParallelLaunches: 2, minLifetimeMs: 0, maxAttempts: 3 });
    await made.start();
    return made;
  };
  let server = await begin();
  await world.clock.advance(10_000);
  const submit = async (id: string): Promise<void> => {
    const job = queuedJob({ id, createdAtMs: world.clock.now() });
    await world.store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob: "print('done')" } });
    server.changes.notify('queue');
  };
  const vmsOf = async (id: string) => (await world.store.jobs.attempts(id)).map(({ vmName }) => vmName);
  const events = async (name: EventName) =>
    (await world.store.events.newest(1_000)).filter((event) => event.name === name);
  const fill = (name: string): void => {
    world.harm(name, 'its disk is full');
    world.host.diskFreeBytes = 0;
    world.hands.pauseByError(name);
  };
  const restart = async (awayMs: number): Promise<void> => {
    server.kill();
    await world.clock.advance(awayMs);
    server = await begin();
  };
  const end = async (): Promise<void> => {
    assert.deepEqual(world.violations, []);
    const stopped = server.stop();
    await world.clock.advance(30_000);
    await stopped;
    await world.store.close();
  };
  return { world, server: () => server, submit, vmsOf, events, fill, restart, end };
}

test('a guest that stands for lack of room is given no job until it goes on', async () => {
  const { world, submit, vmsOf, events, fill, end } = await cloud();
  for (const name of ['sim-0000', 'sim-0001']) fill(name);
  await world.clock.advance(3_000);
  for (let i = 0; i < 10; i += 1) await submit(`job-${i}`);
  await world.clock.advance(60_000);
  assert.equal((await world.store.jobs.get('job-0'))?.state, 'queued');
  world.host.diskFreeBytes = 500 * GiB;
  await world.clock.advance(90_000);
  for (let i = 0; i < 10; i += 1) {
    assert.equal((await world.store.jobs.get(`job-${i}`))?.state, 'succeeded');
    assert.equal((await vmsOf(`job-${i}`)).length, 1);
  }
  assert.equal((await events('alert.raised')).filter(({ vm }) => vm !== null).length, 2);
  assert.equal((await events('alert.cleared')).filter(({ vm }) => vm !== null).length, 2);
  assert.equal((await events('vm.failed')).length, 0);
  await end();
});

test('jobs go to the guest beside one that stands', async () => {
  const { world, submit, vmsOf, fill, end } = await cloud();
  fill('sim-0000');
  await world.clock.advance(3_000);
  for (let i = 0; i < 10; i += 1) await submit(`job-${i}`);
  await world.clock.advance(60_000);
  for (let i = 0; i < 10; i += 1) assert.deepEqual(await vmsOf(`job-${i}`), ['sim-0001']);
  await end();
});

test('a guest that went on while no server ran takes jobs again, and its alert is cleared', async () => {
  const { world, server, submit, events, fill, restart, end } = await cloud();
  for (const name of ['sim-0000', 'sim-0001']) fill(name);
  await world.clock.advance(3_000);
  await restart(60_000);
  await submit('job-1');
  await world.clock.advance(20_000);
  assert.equal((await world.store.jobs.get('job-1'))?.state, 'queued');
  assert.equal((await events('alert.raised')).filter(({ vm }) => vm !== null).length, 2);
  server().kill();
  world.host.diskFreeBytes = 500 * GiB;
  for (const name of ['sim-0000', 'sim-0001']) await world.hands.resume(name);
  await restart(60_000);
  await world.clock.advance(30_000);
  assert.equal((await world.store.jobs.get('job-1'))?.state, 'succeeded');
  assert.equal((await events('alert.cleared')).filter(({ vm }) => vm !== null).length, 2);
  await end();
});

test('the alert of a guest that stands is cleared when its VM is deleted', async () => {
  const { world, server, events, fill, end } = await cloud();
  fill('sim-0000');
  await world.clock.advance(3_000);
  world.deleted.add('sim-0000');
  await server().pool.deleteVm('sim-0000');
  await world.clock.advance(30_000);
  assert.equal((await events('alert.cleared')).filter(({ vm }) => vm === 'sim-0000').length, 1);
  await end();
});
