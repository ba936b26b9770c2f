import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../../src/domain/errors.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { SimServer } from './server.ts';
import { World } from './world.ts';

const settings = { min: 2, max: 2, warm: 0, paused: false, policies: [] };

/** Two VMs, a job that runs for five minutes on one of them, and a server that can be replaced by its successor. */
async function runningJob() {
  const world = await World.make(1);
  world.bootMs = () => 3_000;
  const begin = async (): Promise<SimServer> => {
    const server = new SimServer(world, { settings, maxParallelLaunches: 2, minLifetimeMs: 0 });
    await server.start();
    return server;
  };
  let server = await begin();
  await world.clock.advance(10_000);
  const job = queuedJob({ id: 'job-1', createdAtMs: world.clock.now() });
  await world.store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob: 'time.sleep(300)' } });
  server.changes.notify('queue');
  await world.clock.advance(2_000);
  const at = async () => {
    const now = await world.store.jobs.get('job-1');
    const vm = now?.vmName == null ? undefined : await world.store.vms.get(now.vmName);
    return { attempt: now?.attempt, job: now?.state, vm: vm?.state };
  };
  assert.deepEqual(await at(), { attempt: 1, job: 'running', vm: 'ready' });
  const name = (await world.store.jobs.get('job-1'))?.vmName ?? '';
  /** Nothing is heard of the VM any more, and nobody who follows it is connected. Its guest goes on with its work. */
  const silence = (): void => {
    world.harm(name, 'silence');
    const guest = world.guests.get(name);
    assert.ok(guest !== undefined);
    guest.silentUntilMs = Number.POSITIVE_INFINITY;
    world.agents.disconnect(guest.address);
  };
  const restart = async (): Promise<void> => {
    server.kill();
    server = await begin();
  };
  const end = async (): Promise<void> => {
    assert.deepEqual(world.violations, []);
    const stopped = server.stop();
    await world.clock.advance(30_000);
    await stopped;
    await world.store.close();
  };
  return { world, name, at, silence, restart, server: () => server, end };
}

test('the job of a silent VM is started elsewhere when its machine is destroyed, and not before', async () => {
  const { world, at, silence, end } = await runningJob();
  world.hypervisorFault = (call) => (call === 'remove' ? { waitMs: 20_000 } : undefined);
  silence();
  await world.clock.advance(30_000);
  assert.deepEqual(await at(), { attempt: 1, job: 'running', vm: 'failed' });
  assert.equal(
    (await world.store.vms.list()).filter((vm) => vm.state !== 'failed').length,
    2,
    'it is replaced at once',
  );
  await world.clock.advance(10_000);
  assert.deepEqual(await at(), { attempt: 2, job: 'running', vm: 'ready' });
  await end();
});

test('a server that starts while the machine is being removed waits for it too', async () => {
  const { world, at, silence, restart, end } = await runningJob();
  world.hypervisorFault = (call) => (call === 'remove' ? { waitMs: 25_000 } : undefined);
  silence();
  await world.clock.advance(20_000);
  await restart();
  await world.clock.advance(2_000);
  assert.deepEqual(await at(), { attempt: 1, job: 'running', vm: 'failed' });
  await world.clock.advance(60_000);
  assert.deepEqual(await at(), { attempt: 2, job: 'running', vm: 'ready' });
  await end();
});

test('a VM that an operator deletes keeps its job until its machine is destroyed', async () => {
  const { world, name, at, silence, server, end } = await runningJob();
  world.hypervisorFault = (call) => (call === 'remove' ? { waitMs: 5_000 } : undefined);
  silence();
  world.deleted.add(name);
  await server().pool.deleteVm(name);
  await world.clock.advance(4_000);
  assert.deepEqual(await at(), { attempt: 1, job: 'running', vm: 'stopping' });
  await world.clock.advance(4_000);
  assert.deepEqual(await at(), { attempt: 2, job: 'running', vm: 'ready' });
  await end();
});

test('a machine that is off counts as destroyed, though its files cannot be removed', async () => {
  const { world, name, at, end } = await runningJob();
  const refused = { error: new TidepoolError('upstream', 'the disk is busy') };
  world.hypervisorFault = (call) => (call === 'remove' ? refused : undefined);
  world.harm(name, 'crash');
  world.hands.crash(name);
  await world.clock.advance(5_000);
  assert.deepEqual(await at(), { attempt: 2, job: 'running', vm: 'ready' });
  assert.equal((await world.store.vms.get(name))?.state, 'dead');
  world.hypervisorFault = () => undefined;
  await world.clock.advance(60_000);
  assert.equal(await world.store.vms.get(name), undefined);
  await end();
});

test('a VM whose machine can be destroyed at once gives its job up at once', async () => {
  const { world, name, at, server, end } = await runningJob();
  world.deleted.add(name);
  await server().pool.deleteVm(name);
  await world.clock.advance(500);
  assert.deepEqual(await at(), { attempt: 2, job: 'running', vm: 'ready' });
  await end();
});
