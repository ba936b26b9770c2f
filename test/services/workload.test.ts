import assert from 'node:assert/strict';
import { hasCode } from '../../src/domain/errors.ts';
import { deployService } from '../../src/services/deploy.ts';
import { serviceWorkload } from '../../src/services/workload.ts';
import { never, serving, storedVm, withWorld, workloadOf } from './support.ts';

withWorld('a first revision that fails leaves its VMs in service without it', async (world) => {
  await deployService(world.context, await world.deployment('fib', 'bad'));
  const vm = await world.addVm('fib', { state: 'booting', capacity: null });
  const prepared = workloadOf(world).prepare(vm, never);
  await world.clock.advance(10_000);
  await prepared;
  assert.deepEqual(await world.revisions('fib'), ['1 failed']);
  assert.deepEqual(world.servers('fib'), []);
  await world.moveVm('fib-0000', 'ready');
  await deployService(world.context, await world.deployment('fib', 'good'));
  await world.clock.advance(10_000);
  assert.deepEqual(await world.revisions('fib'), ['2 current', '1 failed']);
});

withWorld('a VM is prepared when its service serves, and gets requests only when it is ready', async (world) => {
  await serving(world, 1);
  const vm = await world.addVm('fib', { state: 'booting', capacity: null });
  let isPrepared = false;
  const prepared = workloadOf(world)
    .prepare(vm, never)
    .then(() => {
      isPrepared = true;
    });
  await world.clock.advance(1_000);
  assert.equal(isPrepared, false);
  await world.clock.advance(4_000);
  await prepared;
  assert.deepEqual(world.servers('fib'), ['fib-0000-0 serving']);
  await world.moveVm('fib-0001', 'ready');
  await world.clock.advance(1_000);
  assert.deepEqual(world.servers('fib'), ['fib-0000-0 serving', 'fib-0001-0 serving']);
});

withWorld('a VM whose agent stays silent, or that is given up meanwhile, is not prepared', async (world) => {
  await serving(world, 1);
  const { prepare } = workloadOf(world);
  const booting = { state: 'booting', capacity: null } as const;
  const silent = await world.addVm('fib', booting);
  world.silent.add(silent.name);
  const late = assert.rejects(prepare(silent, never), (error) => hasCode(error, 'timeout'));
  await world.clock.advance(130_000);
  await late;
  const other = await world.addVm('fib', booting);
  const lost = assert.rejects(prepare(other, never), (error) => hasCode(error, 'unavailable'));
  await world.removeVm(other.name);
  await world.clock.advance(2_000);
  await lost;
  const stopping = new AbortController();
  const left = prepare(await world.addVm('fib', booting), stopping.signal);
  const aborted = assert.rejects(left, (error) => hasCode(error, 'aborted'));
  stopping.abort();
  await aborted;
});

withWorld('a resumed VM serves what is current before it is prepared', async (world) => {
  await serving(world, 2);
  await world.moveVm('fib-0001', 'draining');
  await world.clock.advance(2_000);
  await world.moveVm('fib-0001', 'warm');
  await world.clock.advance(2_000);
  await deployService(world.context, await world.deployment('fib', 'good'));
  await world.clock.advance(15_000);
  assert.deepEqual(await world.revisions('fib'), ['2 current', '1 superseded']);
  world.calls.length = 0;
  const prepared = workloadOf(world).prepare(await storedVm(world, 'fib-0001'), never);
  await world.clock.advance(5_000);
  await prepared;
  assert.deepEqual(world.calls, ['start fib-2 on fib-0001', 'remove fib-1 from fib-0001']);
});

withWorld('a draining VM is busy until the front door has seen its last request end', async (world) => {
  await serving(world, 2);
  const workload = workloadOf(world);
  world.send(4, 5_000);
  await world.clock.advance(1_000);
  assert.equal(workload.inFlight(await storedVm(world, 'fib-0001')), 2);
  await world.clock.advance(5_000);
  assert.equal(workload.inFlight(await storedVm(world, 'fib-0001')), 0);
  world.send(2, 5_000);
  const draining = await world.moveVm('fib-0001', 'draining');
  assert.equal(workload.inFlight(draining), 1, 'the front door has not been told yet');
  let woken = 0;
  void world.changes.each('queue', never, () => {
    woken += 1;
  });
  await world.clock.advance(3_000);
  assert.deepEqual([workload.inFlight(draining), woken], [1, 0]);
  assert.deepEqual(world.servers('fib'), ['fib-0000-0 serving', 'fib-0001-0 draining']);
  await world.clock.advance(3_000);
  assert.deepEqual([workload.inFlight(draining), woken], [0, 1]);
  await world.moveVm('fib-0001', 'ready');
  await world.clock.advance(1_000);
  const again = await world.moveVm('fib-0001', 'draining');
  assert.equal(workload.inFlight(again), 1, 'what was seen of the former drain does not count');
});

withWorld('while the front door is gone no drain is over, and after its limit each is', async (world) => {
  await serving(world, 2);
  const workload = workloadOf(world);
  world.balancer.fault = () => 'unavailable';
  const draining = await world.moveVm('fib-0001', 'draining');
  await world.clock.advance(59_000);
  assert.equal(workload.inFlight(draining), 1);
  await world.clock.advance(2_000);
  assert.equal(workload.inFlight(draining), 0);
});

withWorld('a drain lasts as long as a request may', async (world) => {
  const { spec, ...deployment } = await world.deployment('fib', 'good');
  await deployService(world.context, { ...deployment, spec: { ...spec, requestTimeoutMs: 120_000 } });
  await world.addVm('fib');
  await world.clock.advance(10_000);
  world.send(1, 110_000);
  const draining = await world.moveVm('fib-0000', 'draining');
  await world.clock.advance(100_000);
  assert.equal(workloadOf(world).inFlight(draining), 1);
  await world.clock.advance(12_000);
  assert.equal(workloadOf(world).inFlight(draining), 0);
});

withWorld('the planner is told what works, what waits, and how much a VM takes at a time', async (world) => {
  await serving(world, 2);
  // 16 on each of the two VMs, 8 in front of them.
  world.send(40, 10_000);
  await world.clock.advance(1_500);
  const { backlog, inFlight } = workloadOf(world).demand();
  assert.deepEqual(backlog, { waiting: 8 + 2 * (16 - 2), perVm: 2, meanMs: null });
  assert.equal(inFlight(await storedVm(world, 'fib-0000')), 2);
  assert.equal(workloadOf(world).inFlight(await storedVm(world, 'fib-0000')), 16);
});

withWorld('a service whose runtime is being built waits for it, and says so', async (world) => {
  world.building = 'the runtime ml is being built: 40 %';
  const deployment = await world.deployment('fib', 'good');
  await deployService(world.context, { ...deployment, spec: { ...deployment.spec, runtime: 'ml' } });
  await world.clock.advance(3_000);
  assert.deepEqual([...world.pools.opened.keys()], []);
  assert.match(world.controller.pools.waitsFor('fib') ?? '', /40 %/);
  world.building = undefined;
  await world.clock.advance(2_000);
  assert.deepEqual([...world.pools.opened.keys()], ['fib']);
  assert.equal(world.controller.pools.waitsFor('fib'), undefined);
  const old = await world.addVm('fib');
  await world.clock.advance(5_000);
  assert.equal(workloadOf(world).lacksRuntime(old, ['ml', 'python']), true);
  assert.equal(workloadOf(world).lacksRuntime(old, ['python']), false, 'a new VM would lack it too');
  assert.equal(workloadOf(world).lacksRuntime({ ...old, runtimes: ['ml', 'python'] }, ['ml', 'python']), false);
  assert.deepEqual(world.calls, [], 'it is not started where it cannot run');
});

withWorld('a udp service is balanced by its clients, who learn of a change before a VM may go', async (world) => {
  const deployment = await world.deployment('powmod', 'good', { protocol: 'udp' });
  const { service } = await deployService(world.context, deployment);
  assert.equal(service.port, null);
  await world.addVm('powmod');
  await world.clock.advance(10_000);
  assert.deepEqual(world.balancer.applied, []);
  assert.deepEqual(
    world.controller.endpoints('powmod').map(({ port }) => port),
    [9_001],
  );
  const workload = serviceWorkload(world.context, world.controller, service);
  assert.deepEqual(
    workload.ports.map(({ protocol, guestPort, device }) => [protocol, guestPort, device]),
    [
      ['udp', 8_000, 'service'],
      ['udp', 8_001, 'service'],
    ],
  );
  const running = world.running('powmod-0000', 'powmod-1');
  running.change({ inFlight: 1 });
  const draining = await world.moveVm('powmod-0000', 'draining');
  await world.clock.advance(5_000);
  assert.deepEqual(world.controller.endpoints('powmod'), []);
  assert.equal(workload.inFlight(draining), 1);
  running.change({ inFlight: 0 });
  await world.clock.advance(1_500);
  assert.equal(workload.inFlight(draining), 0);
});
