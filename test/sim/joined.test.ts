import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinedPool } from '../../src/domain/worker.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { readyVm } from '../../src/fake/vm.ts';
import { SimServer } from './server.ts';
import { World } from './world.ts';

/** A server without VMs, and one machine that has joined by hand. */
async function oneMachine() {
  const world = await World.make(1);
  const settings = { min: 0, max: 0, warm: 0, paused: false, policies: [] };
  const server = new SimServer(world, { settings, maxParallelLaunches: 1, minLifetimeMs: 0, maxAttempts: 3 });
  const vm = readyVm({ name: 'joined-lab', pool: joinedPool, keyId: 'lab', createdAtMs: world.clock.now() });
  world.agents.boot(
    { host: '127.0.0.1', port: 9_000, keyId: vm.keyId, key: vm.key },
    { runtimes: ['python'], capacity: { cpus: 1, memoryBytes: 1024 ** 3, diskBytes: 8 * 1024 ** 3, slots: 256 } },
  );
  await world.store.vms.insert(vm);
  await server.start();
  const job = queuedJob({ id: 'job-1', createdAtMs: world.clock.now() });
  await world.store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob: "print('one')" } });
  server.changes.notify('queue');
  const outcomes = async () => (await world.store.jobs.attempts('job-1')).map(({ outcome }) => outcome);
  const end = async (): Promise<void> => {
    assert.deepEqual(world.violations, []);
    const stopped = server.stop();
    await world.clock.advance(30_000);
    await stopped;
    await world.store.close();
  };
  return { world, outcomes, end };
}

test('a job that the only machine could not run is tried on it again, since nobody replaces that machine', async () => {
  const { world, outcomes, end } = await oneMachine();
  let failures = 1;
  world.agents.fault = (call) => (call === 'run' && failures-- > 0 ? 'internal' : undefined);
  await world.clock.advance(5_000);
  assert.deepEqual(await outcomes(), ['worker_fault']);
  await world.clock.advance(50_000);
  assert.deepEqual(await outcomes(), ['worker_fault'], 'another machine may join meanwhile');
  await world.clock.advance(20_000);
  assert.deepEqual(await outcomes(), ['worker_fault', 'succeeded']);
  await end();
});

test('a job that the only machine never can run is lost after a bounded number of tries, and the machine stays', async () => {
  const { world, outcomes, end } = await oneMachine();
  world.agents.fault = (call) => (call === 'run' ? 'internal' : undefined);
  await world.clock.advance(1_200_000);
  assert.deepEqual(await outcomes(), [...Array.from({ length: 11 }, () => 'worker_fault'), 'lost']);
  assert.equal((await world.store.vms.get('joined-lab'))?.state, 'ready', 'it is likely the doing of the job');
  await end();
});
