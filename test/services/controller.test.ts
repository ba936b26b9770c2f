import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../src/domain/errors.ts';
import { deployService, rollBack } from '../../src/services/deploy.ts';
import { deleteService, startService, stopService } from '../../src/services/lifecycle.ts';
import { serviceWorkload } from '../../src/services/workload.ts';
import { ServiceWorld } from './world.ts';

function withWorld(title: string, body: (world: ServiceWorld) => Promise<void>): void {
  test(title, async () => {
    const world = await ServiceWorld.open();
    try {
      await body(world);
    } finally {
      await world.close();
    }
  });
}

const never = new AbortController().signal;
const workloadOf = (world: ServiceWorld) =>
  serviceWorkload(world.context, world.controller, { name: 'fib', protocol: 'http' });

/** A service whose first revision serves on so many VMs. */
async function serving(world: ServiceWorld, vms: number): Promise<void> {
  await deployService(world.context, await world.deployment('fib', 'good'));
  for (let i = 0; i < vms; i += 1) await world.addVm('fib');
  await world.clock.advance(20_000);
  assert.deepEqual(await world.revisions('fib'), ['1 current']);
}

withWorld('a first deployment gets a pool, a port and, on its VMs, requests', async (world) => {
  const { service } = await deployService(world.context, await world.deployment('fib', 'good'));
  assert.equal(service.port, 8_100);
  await world.clock.advance(1_000);
  assert.deepEqual([...world.pools.opened.keys()], ['fib']);
  assert.deepEqual(
    world.balancer.services.map(({ name, port, healthPath }) => [name, port, healthPath]),
    [['fib', 8_100, '/-/health']],
  );
  await world.addVm('fib');
  await world.clock.advance(10_000);
  assert.deepEqual(world.link.calls, ['start fib-1 on 9000 at 8000']);
  assert.deepEqual(world.balancer.servers('fib'), ['fib-0000-0 serving']);
  assert.deepEqual(world.controller.endpoints('fib'), [{ vm: 'fib-0000', host: '127.0.0.1', port: 9_001 }]);
  assert.deepEqual(await world.revisions('fib'), ['1 current']);
  assert.deepEqual(await world.eventNames(), ['service.deployed', 'service.rolled']);
});

withWorld('a new revision takes the place of the old one without a moment in which nothing serves', async (world) => {
  await serving(world, 1);
  world.link.calls.length = 0;
  world.balancer.inFlight.set('fib-0000-0', 1);
  await deployService(world.context, await world.deployment('fib', 'good'));
  for (let i = 0; i < 40; i += 1) {
    await world.clock.advance(250);
    assert.ok(world.balancer.servers('fib').some((one) => one.endsWith(' serving')));
    assert.ok(world.controller.endpoints('fib').length > 0);
  }
  assert.deepEqual(await world.revisions('fib'), ['2 current', '1 superseded']);
  assert.deepEqual(world.balancer.servers('fib'), ['fib-0000-0 draining', 'fib-0000-1 serving']);
  assert.deepEqual(world.link.calls, ['start fib-2 on 9000 at 8001'], 'the old one still has a request');
  world.balancer.inFlight.clear();
  await world.clock.advance(2_000);
  assert.deepEqual(world.balancer.servers('fib'), ['fib-0000-1 serving']);
  assert.deepEqual(world.link.calls.slice(1), ['remove fib-1 from 9000']);
});

withWorld(
  'a revision that does not import is taken back with its traceback; the old one never stops serving',
  async (world) => {
    await serving(world, 3);
    await deployService(world.context, await world.deployment('fib', 'bad'));
    await world.clock.advance(10_000);
    const [failed] = await world.store.services.revisions('fib');
    assert.deepEqual(
      [failed?.state, failed?.message, failed?.traceback],
      ['failed', 'on fib-0000: it does not import', 'Traceback: bad'],
    );
    assert.equal((await world.store.services.get('fib'))?.current, 1);
    assert.equal(world.controller.endpoints('fib').length, 3);
    assert.deepEqual(
      world.link.calls.slice(3),
      ['start fib-2 on 9000 at 8001', 'remove fib-2 from 9000'],
      'one VM tried it',
    );
    const told = (await world.store.events.newest(1))[0];
    assert.equal(told?.name, 'service.failed');
    assert.match(told?.text ?? '', /revision 2 failed, revision 1 goes on serving/);
  },
);

withWorld('a first revision that fails leaves its VMs in service without it', async (world) => {
  await deployService(world.context, await world.deployment('fib', 'bad'));
  const vm = await world.addVm('fib', { state: 'booting', capacity: null });
  const prepared = workloadOf(world).prepare(vm, never);
  await world.clock.advance(10_000);
  await prepared;
  assert.deepEqual(await world.revisions('fib'), ['1 failed']);
  assert.deepEqual(world.balancer.servers('fib'), []);
  await deployService(world.context, await world.deployment('fib', 'good'));
  await world.moveVm('fib-0000', 'ready');
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
  assert.deepEqual(world.balancer.servers('fib'), ['fib-0000-0 serving']);
  await world.moveVm('fib-0001', 'ready');
  await world.clock.advance(1_000);
  assert.deepEqual(world.balancer.servers('fib'), ['fib-0000-0 serving', 'fib-0001-0 serving']);
});

withWorld('a VM whose agent falls silent, or that is given up, is not prepared', async (world) => {
  await serving(world, 1);
  const workload = workloadOf(world);
  const vm = await world.addVm('fib', { state: 'booting', capacity: null });
  world.link.silent.add(vm.port ?? 0);
  const late = assert.rejects(workload.prepare(vm, never), (error) => hasCode(error, 'timeout'));
  await world.clock.advance(130_000);
  await late;
  const other = await world.addVm('fib', { state: 'booting', capacity: null });
  const lost = assert.rejects(workload.prepare(other, never), (error) => hasCode(error, 'unavailable'));
  await world.removeVm(other.name);
  await world.clock.advance(2_000);
  await lost;
  const stopping = new AbortController();
  const third = await world.addVm('fib', { state: 'booting', capacity: null });
  const aborted = assert.rejects(workload.prepare(third, stopping.signal), (error) => hasCode(error, 'aborted'));
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
  await world.clock.advance(10_000);
  assert.deepEqual(await world.revisions('fib'), ['2 current', '1 superseded']);
  world.link.calls.length = 0;
  const vm = await world.store.vms.get('fib-0001');
  assert.ok(vm !== undefined);
  const prepared = workloadOf(world).prepare(vm, never);
  await world.clock.advance(5_000);
  await prepared;
  assert.deepEqual(world.link.calls, ['start fib-2 on 9010 at 8001', 'remove fib-1 from 9010']);
});

withWorld('a draining VM is busy until the front door has seen its last request end', async (world) => {
  await serving(world, 2);
  const workload = workloadOf(world);
  world.balancer.inFlight.set('fib-0001-0', 2);
  await world.clock.advance(1_000);
  const ready = await world.store.vms.get('fib-0001');
  assert.equal(ready === undefined ? undefined : workload.inFlight(ready), 2);
  world.balancer.inFlight.clear();
  await world.clock.advance(1_000);
  const draining = await world.moveVm('fib-0001', 'draining');
  assert.equal(workload.inFlight(draining), 1, 'the front door has not been told yet');
  let woken = 0;
  void world.changes.each('queue', never, () => {
    woken += 1;
  });
  world.balancer.inFlight.set('fib-0001-0', 1);
  await world.clock.advance(3_000);
  assert.deepEqual([workload.inFlight(draining), woken], [1, 0]);
  assert.deepEqual(world.balancer.servers('fib'), ['fib-0000-0 serving', 'fib-0001-0 draining']);
  world.balancer.inFlight.clear();
  await world.clock.advance(1_000);
  assert.deepEqual([workload.inFlight(draining), woken], [0, 1]);
  const back = await world.moveVm('fib-0001', 'ready');
  await world.clock.advance(1_000);
  assert.equal(workload.inFlight({ ...back, state: 'draining', stateSinceMs: world.clock.now() }), 1);
});

withWorld('a drain that never ends is over after its limit', async (world) => {
  await serving(world, 1);
  const draining = await world.moveVm('fib-0000', 'draining');
  world.balancer.inFlight.set('fib-0000-0', 1);
  await world.clock.advance(59_000);
  assert.equal(workloadOf(world).inFlight(draining), 1);
  await world.clock.advance(2_000);
  assert.equal(workloadOf(world).inFlight(draining), 0);
});

withWorld('the planner is told what works, what waits, and how much a VM takes at a time', async (world) => {
  await serving(world, 2);
  world.balancer.inFlight.set('fib-0000-0', 5);
  world.balancer.inFlight.set('fib-0001-0', 1);
  world.balancer.waiting = 4;
  await world.clock.advance(1_000);
  const { backlog, inFlight } = workloadOf(world).demand();
  assert.deepEqual(backlog, { waiting: 4 + 3, perVm: 2, meanMs: 20 });
  const [first, second] = await world.store.vms.list();
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual([inFlight(first), inFlight(second)], [2, 1]);
});

withWorld(
  'what serves and fails on a VM is told once and started again after longer and longer pauses',
  async (world) => {
    await serving(world, 2);
    world.link.calls.length = 0;
    const failure = { state: 'failed', message: 'it ended 5 times', traceback: 'Traceback: crash' } as const;
    world.link.change(9_000, 'fib-1', failure);
    await world.clock.advance(1_300);
    assert.deepEqual(world.balancer.servers('fib'), ['fib-0001-0 serving']);
    assert.equal(world.controller.failures.last('fib')?.traceback, 'Traceback: crash');
    await world.clock.advance(6_000);
    assert.deepEqual(world.link.calls, ['remove fib-1 from 9000', 'start fib-1 on 9000 at 8000']);
    assert.equal(world.controller.endpoints('fib').length, 2);
    const told = (await world.eventNames()).filter((name) => name === 'service.failed');
    assert.equal(told.length, 1);
    assert.deepEqual(await world.revisions('fib'), ['1 current']);
  },
);

withWorld('what an agent refuses to start has failed; what it did not hear is tried again', async (world) => {
  await serving(world, 1);
  world.link.refusal = 'unavailable';
  await deployService(world.context, await world.deployment('fib', 'good'));
  await world.clock.advance(5_000);
  assert.deepEqual(await world.revisions('fib'), ['2 rolling', '1 current']);
  world.link.refusal = 'not_found';
  await world.clock.advance(5_000);
  const [refused] = await world.store.services.revisions('fib');
  assert.match(refused?.message ?? '', /on fib-0000: it could not be started: the agent refuses/);
  assert.equal(world.controller.endpoints('fib').length, 1);
});

withWorld(
  'a server that starts again changes nothing at the front door before its VMs have been heard',
  async (world) => {
    await serving(world, 2);
    world.link.silent.add(9_010);
    const before = world.balancer.services;
    await world.restart();
    await world.clock.advance(10_000);
    assert.equal(world.balancer.services, before);
    await world.clock.advance(10_000);
    assert.deepEqual(world.balancer.servers('fib'), ['fib-0000-0 serving'], 'one that stays silent is left out');
    world.link.silent.clear();
    await world.clock.advance(3_000);
    assert.deepEqual(world.balancer.servers('fib'), ['fib-0000-0 serving', 'fib-0001-0 serving']);
    assert.equal(world.link.calls.length, 2, 'nothing was started again');
  },
);

withWorld('a port that another program has does not hold up the other services', async (world) => {
  await serving(world, 1);
  world.balancer.taken.add(8_100);
  await deployService(world.context, await world.deployment('other', 'good'));
  await world.addVm('other');
  await world.clock.advance(10_000);
  assert.deepEqual(
    world.balancer.services.map((one) => one.name),
    ['other'],
  );
  assert.match(world.controller.front.problem('fib') ?? '', /8100/);
  assert.equal(world.log.filter((line) => line.includes('8100 is taken')).length, 1, 'it is said once');
  world.balancer.taken.clear();
  await world.clock.advance(3_000);
  assert.equal(world.controller.front.problem('fib'), undefined);
});

withWorld('while the balancer is gone nothing is taken back, and nothing counts as drained', async (world) => {
  await serving(world, 2);
  world.balancer.isDown = true;
  const draining = await world.moveVm('fib-0001', 'draining');
  await world.clock.advance(30_000);
  assert.equal(workloadOf(world).inFlight(draining), 1);
  assert.ok(world.controller.endpoints('fib').length > 0);
  assert.deepEqual(await world.revisions('fib'), ['1 current']);
  world.balancer.isDown = false;
  await world.clock.advance(2_000);
  assert.equal(workloadOf(world).inFlight(draining), 0);
});

withWorld(
  'a stopped service lets its requests end, then its VMs and its pool go; started again it serves as before',
  async (world) => {
    await serving(world, 1);
    world.balancer.inFlight.set('fib-0000-0', 1);
    const find = async () => (await world.store.services.get('fib')) ?? assert.fail('no service');
    await stopService(world.context, await find());
    await world.clock.advance(2_000);
    assert.deepEqual([...world.pools.opened.keys()], []);
    assert.deepEqual(world.balancer.servers('fib'), ['fib-0000-0 draining']);
    await world.removeVm('fib-0000');
    await world.clock.advance(2_000);
    assert.deepEqual(world.balancer.services, []);
    await startService(world.context, await find());
    await world.addVm('fib');
    await world.clock.advance(10_000);
    assert.deepEqual(
      world.controller.endpoints('fib').map(({ vm }) => vm),
      ['fib-0001'],
    );
    assert.deepEqual(await world.revisions('fib'), ['1 current']);
  },
);

withWorld('a deleted service goes when its last VM is gone, with what its handlers kept', async (world) => {
  await serving(world, 1);
  await world.store.keyValues.apply('fib', [{ op: 'put', key: 'a', value: Buffer.from('1') }]);
  await deleteService(world.context, (await world.store.services.get('fib')) ?? assert.fail('no service'));
  await world.clock.advance(5_000);
  assert.equal((await world.store.services.get('fib'))?.isLeaving, true);
  await assert.rejects(deployService(world.context, await world.deployment('fib', 'good')), (error) =>
    hasCode(error, 'conflict'),
  );
  await world.removeVm('fib-0000');
  await world.clock.advance(2_000);
  assert.equal(await world.store.services.get('fib'), undefined);
  assert.equal(await world.store.keyValues.count('fib'), 0);
  assert.equal((await world.eventNames()).at(-1), 'service.deleted');
  await deployService(world.context, await world.deployment('fib', 'good'));
  assert.deepEqual(await world.revisions('fib'), ['1 rolling']);
});

withWorld('rolling back brings up what served before; during a rollout, what serves', async (world) => {
  await serving(world, 1);
  const find = async () => (await world.store.services.get('fib')) ?? assert.fail('no service');
  await assert.rejects(rollBack(world.context, await find()), (error) => hasCode(error, 'conflict'));
  const next = await world.deployment('fib', 'good');
  await deployService(world.context, { ...next, spec: { ...next.spec, environment: { A: '2' } } });
  await world.clock.advance(10_000);
  const { revision } = await rollBack(world.context, await find());
  assert.deepEqual([revision.number, revision.spec.environment], [3, {}]);
  const again = await rollBack(world.context, await find());
  assert.deepEqual([again.revision.number, again.revision.spec.environment], [4, { A: '2' }]);
  await world.clock.advance(10_000);
  assert.deepEqual(await world.revisions('fib'), ['4 current', '3 failed', '2 superseded', '1 superseded']);
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
  assert.equal(workloadOf(world).lacksRuntime(old), true);
  assert.equal(workloadOf(world).lacksRuntime({ ...old, runtimes: ['ml', 'python'] }), false);
});

withWorld('handlers are answered from the store of their own service', async (world) => {
  await serving(world, 1);
  const ask = world.link.stores.get(9_000) ?? assert.fail('nobody serves the store');
  const value = Buffer.from('hash:salt').toString('base64');
  assert.deepEqual(await ask([{ id: 1, op: 'add', key: 'B-AB 1', value }]), [{ id: 1, value, error: '' }]);
  assert.equal(await world.store.keyValues.count('fib'), 1);
});

withWorld('a udp service is balanced by its clients, who learn of a change before a VM may go', async (world) => {
  const deployment = await world.deployment('powmod', 'good', { protocol: 'udp' });
  const { service } = await deployService(world.context, deployment);
  assert.equal(service.port, null);
  await world.addVm('powmod');
  await world.clock.advance(10_000);
  assert.deepEqual(world.balancer.services, []);
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
  world.link.change(9_000, 'powmod-1', { inFlight: 1 });
  const draining = await world.moveVm('powmod-0000', 'draining');
  await world.clock.advance(5_000);
  assert.deepEqual(world.controller.endpoints('powmod'), []);
  assert.equal(workload.inFlight(draining), 1);
  world.link.change(9_000, 'powmod-1', { inFlight: 0 });
  await world.clock.advance(1_500);
  assert.equal(workload.inFlight(draining), 0);
});
