import assert from 'node:assert/strict';
import { TidepoolError } from '../../src/domain/errors.ts';
import { deployService } from '../../src/services/deploy.ts';
import { never, serving, stored, withWorld, workloadOf } from './support.ts';

withWorld('a first deployment gets a pool, a port and, on its VMs, requests', async (world) => {
  const { service } = await deployService(world.context, await world.deployment('fib', 'good'));
  assert.equal(service.port, 8_100);
  await world.clock.advance(1_000);
  assert.deepEqual([...world.pools.opened.keys()], ['fib']);
  const [balanced] = world.balancer.applied;
  assert.deepEqual([balanced?.name, balanced?.port, balanced?.healthPath], ['fib', 8_100, '/-/health']);
  await world.addVm('fib');
  await world.clock.advance(10_000);
  assert.deepEqual(world.calls, ['start fib-1 on fib-0000']);
  assert.deepEqual(world.servers('fib'), ['fib-0000-0 serving']);
  assert.deepEqual(world.controller.endpoints('fib'), [{ vm: 'fib-0000', host: '127.0.0.1', port: 9_001 }]);
  assert.deepEqual(await world.revisions('fib'), ['1 current']);
  assert.deepEqual(await world.eventNames(), ['service.deployed', 'service.rolled']);
});

withWorld('a new revision takes the place of the old one without a moment in which nothing serves', async (world) => {
  await serving(world, 1);
  world.send(1, 15_000);
  await deployService(world.context, await world.deployment('fib', 'good'));
  for (let i = 0; i < 40; i += 1) {
    await world.clock.advance(250);
    assert.ok(world.servers('fib').some((one) => one.endsWith(' serving')));
    assert.ok(world.controller.endpoints('fib').length > 0);
  }
  assert.deepEqual(await world.revisions('fib'), ['2 current', '1 superseded']);
  assert.deepEqual(world.servers('fib'), ['fib-0000-0 draining', 'fib-0000-1 serving']);
  assert.deepEqual(world.calls, ['start fib-2 on fib-0000'], 'the old one still has a request');
  await world.clock.advance(10_000);
  assert.deepEqual(world.servers('fib'), ['fib-0000-1 serving']);
  assert.deepEqual(world.calls, ['start fib-2 on fib-0000', 'remove fib-1 from fib-0000']);
});

withWorld('of three VMs one tries a revision; one that does not import never stops the old one', async (world) => {
  await serving(world, 3);
  await deployService(world.context, await world.deployment('fib', 'bad'));
  await world.clock.advance(10_000);
  const [failed] = await world.store.services.revisions('fib');
  assert.deepEqual([failed?.state, failed?.message], ['failed', 'on fib-0000: ImportError: no module']);
  assert.match(failed?.traceback ?? '', /^Traceback .*\n.*app\.py.*\nImportError: no module\n$/);
  assert.equal((await stored(world)).current, 1);
  assert.equal(world.controller.endpoints('fib').length, 3);
  assert.deepEqual(world.calls, ['start fib-2 on fib-0000', 'remove fib-2 from fib-0000']);
  const [told] = await world.store.events.newest(1);
  assert.match(`${told?.name}: ${told?.text}`, /^service.failed: revision 2 failed, revision 1 goes on serving/);
});

withWorld('what serves and fails on a VM is told of once, and started again after a pause', async (world) => {
  await serving(world, 2);
  world.running('fib-0000', 'fib-1').fail('it ended 5 times', 'Traceback: crash');
  await world.clock.advance(1_300);
  assert.deepEqual(world.servers('fib'), ['fib-0001-0 serving']);
  assert.equal(world.controller.failures.last('fib')?.traceback, 'Traceback: crash');
  await world.clock.advance(6_000);
  assert.deepEqual(world.calls, ['remove fib-1 from fib-0000', 'start fib-1 on fib-0000']);
  assert.equal(world.controller.endpoints('fib').length, 2);
  assert.equal((await world.eventNames()).filter((name) => name === 'service.failed').length, 1);
  assert.deepEqual(await world.revisions('fib'), ['1 current']);
});

withWorld('what an agent refuses to start has failed; what it did not hear is tried again', async (world) => {
  await serving(world, 1);
  world.refusal = 'unavailable';
  await deployService(world.context, await world.deployment('fib', 'good'));
  await world.clock.advance(5_000);
  assert.deepEqual(await world.revisions('fib'), ['2 rolling', '1 current']);
  assert.ok(world.calls.length > 1 && world.calls.length < 10, 'again and again, but not at once');
  world.refusal = 'not_found';
  await world.clock.advance(5_000);
  const [refused] = await world.store.services.revisions('fib');
  assert.match(refused?.message ?? '', /on fib-0000: it could not be started: /);
  assert.equal(world.controller.endpoints('fib').length, 1);
});

withWorld('an agent that does not do what it says is asked again and again, but at a pace', async (world) => {
  await serving(world, 1);
  world.link.removeService = async (_agent, id) => void world.calls.push(`remove ${id}`);
  await deployService(world.context, await world.deployment('fib', 'bad'));
  await world.clock.advance(20_000);
  const removals = world.calls.filter((call) => call.startsWith('remove')).length;
  assert.ok(removals > 5 && removals <= 25, `${removals} in 20 s`);
  world.calls.length = 0;
  world.link.services = async () => [];
  await world.clock.advance(20_000);
  assert.ok(world.calls.length > 5 && world.calls.length <= 25, `${world.calls.length} in 20 s`);
});

withWorld(
  'a server that starts again changes nothing at the front door before its VMs have been heard',
  async (world) => {
    await serving(world, 2);
    world.silent.add('fib-0001');
    const before = world.balancer.applied;
    await world.restart();
    await world.clock.advance(10_000);
    assert.equal(world.balancer.applied, before);
    await world.clock.advance(10_000);
    assert.deepEqual(world.servers('fib'), ['fib-0000-0 serving'], 'one that stays silent is left out');
    world.silent.clear();
    await world.clock.advance(3_000);
    assert.deepEqual(world.servers('fib'), ['fib-0000-0 serving', 'fib-0001-0 serving']);
    assert.deepEqual(world.calls, [], 'nothing is started again');
  },
);

withWorld('a port that another program has does not hold up the other services', async (world) => {
  world.door.takenPorts.add(8_101);
  await deployService(world.context, await world.deployment('fib', 'good'));
  world.door.takenPorts.add(8_100).delete(8_101);
  await deployService(world.context, await world.deployment('other', 'good'));
  await world.addVm('other');
  await world.clock.advance(10_000);
  assert.deepEqual(
    world.balancer.applied.map(({ name, port }) => [name, port]),
    [['other', 8_101]],
  );
  assert.match(world.controller.front.problem('fib') ?? '', /cannot have port 8100/);
  assert.equal(world.log.filter((line) => line.includes('port 8100')).length, 1, 'it is said once');
  world.door.takenPorts.clear();
  await world.clock.advance(3_000);
  assert.equal(world.controller.front.problem('fib'), undefined);
  assert.equal(world.balancer.applied.length, 2);
});

withWorld('a front door that dies takes no revision and no endpoint with it', async (world) => {
  await serving(world, 2);
  world.balancer.fault = () => 'unavailable';
  await world.clock.advance(30_000);
  assert.equal(world.controller.endpoints('fib').length, 2);
  assert.deepEqual(await world.revisions('fib'), ['1 current']);
  assert.equal(world.log.filter((line) => line.startsWith('front door: ')).length, 1, 'it is said once');
  world.balancer.fault = () => undefined;
  await deployService(world.context, await world.deployment('fib', 'good'));
  await world.clock.advance(30_000);
  assert.deepEqual(await world.revisions('fib'), ['2 current', '1 superseded']);
});

withWorld('an endpoint whose health check fails is told of no more', async (world) => {
  await serving(world, 2);
  world.door.killServer('127.0.0.1', 9_001);
  await world.clock.advance(1_000);
  assert.deepEqual(
    world.controller.endpoints('fib').map(({ vm }) => vm),
    ['fib-0001'],
  );
  assert.equal(world.servers('fib').length, 2, 'the balancer goes on looking after it');
});

withWorld('handlers are answered from the store of their own service', async (world) => {
  await deployService(world.context, await world.deployment('fib', 'keeps'));
  await world.addVm('fib');
  await world.clock.advance(10_000);
  assert.deepEqual(await world.revisions('fib'), ['1 current']);
  const [value] = await world.store.keyValues.apply('fib', [{ op: 'get', key: 'a' }]);
  assert.ok(value instanceof Uint8Array);
  assert.equal(Buffer.from(value).toString(), '1');
});

for (const isLate of [false, true]) {
  const when = isLate ? 'break in the middle of an upload' : 'cannot be read';
  withWorld(`files of a revision that ${when} fail neither revision nor VM, and raise one alert`, async (world) => {
    await serving(world, 2);
    const { read } = world.blobs;
    let isAway = true;
    let asked = 0;
    world.blobs.read = async (id) => {
      const blob = await read.call(world.blobs, id);
      if (!isAway) return blob;
      asked += 1;
      const error = new TidepoolError('internal', 'the blob is damaged', { details: { damagedBlob: id } });
      if (!isLate) throw error;
      // What is looked at is well, and the reading for the upload breaks.
      return asked % 2 === 1 ? blob : { ...blob, content: broken(error) };
    };
    await deployService(world.context, await world.deployment('fib', 'keeps'));
    // A VM that is prepared meanwhile is not given up either, though it takes longer than it may.
    const vm = await world.addVm('fib', { state: 'booting', capacity: null });
    const prepared = workloadOf(world).prepare(vm, never);
    await world.clock.advance(200_000);
    assert.deepEqual(await world.revisions('fib'), ['2 rolling', '1 current']);
    assert.match(world.controller.waitsFor('fib') ?? '', /waits for the server: the blob is damaged/);
    assert.ok(asked > 4 && asked <= 60, `read ${asked} times`);
    const alerts = async () => (await world.eventNames()).filter((name) => name.startsWith('alert.'));
    assert.deepEqual(await alerts(), ['alert.raised']);
    assert.ok(!(await world.eventNames()).includes('service.failed'));
    isAway = false;
    await world.clock.advance(60_000);
    await prepared;
    await world.moveVm(vm.name, 'ready');
    await world.clock.advance(60_000);
    assert.deepEqual(await world.revisions('fib'), ['2 current', '1 superseded']);
    assert.equal((await alerts()).length, 2);
    assert.equal(world.controller.waitsFor('fib'), undefined);
  });
}

async function* broken(error: Error): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1);
  throw error;
}
