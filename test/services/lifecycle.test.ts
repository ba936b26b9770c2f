import assert from 'node:assert/strict';
import { hasCode } from '../../src/domain/errors.ts';
import { deployService, rollBack } from '../../src/services/deploy.ts';
import { deleteService, startService, stopService } from '../../src/services/lifecycle.ts';
import { serving, stored, withWorld } from './support.ts';

withWorld('a stopped service lets its requests end; started again it serves as before', async (world) => {
  await serving(world, 1);
  await world.pools.change('fib', { max: 7 });
  world.send(1, 5_000);
  await stopService(world.context, await stored(world));
  await world.clock.advance(2_000);
  assert.deepEqual([...world.pools.opened.keys()], []);
  assert.deepEqual(world.servers('fib'), ['fib-0000-0 draining']);
  await world.removeVm('fib-0000');
  await world.clock.advance(2_000);
  assert.deepEqual(world.balancer.applied, []);
  await startService(world.context, await stored(world));
  await world.addVm('fib');
  await world.clock.advance(10_000);
  assert.deepEqual(
    world.controller.endpoints('fib').map(({ vm }) => vm),
    ['fib-0001'],
  );
  assert.deepEqual(await world.revisions('fib'), ['1 current']);
  assert.equal(world.pools.settings('fib')?.max, 7, 'what was set by hand is kept');
  assert.deepEqual((await world.eventNames()).slice(-2), ['service.stopped', 'service.started']);
});

withWorld('deploying starts a stopped service', async (world) => {
  await serving(world, 1);
  await stopService(world.context, await stored(world));
  await world.removeVm('fib-0000');
  await world.clock.advance(2_000);
  await deployService(world.context, await world.deployment('fib', 'good', { flavor: 'small' }));
  await world.addVm('fib');
  await world.clock.advance(15_000);
  assert.deepEqual(await world.revisions('fib'), ['2 current', '1 superseded']);
});

withWorld('a deleted service goes when its last VM is gone, with what its handlers kept', async (world) => {
  await serving(world, 1);
  await world.store.keyValues.apply('fib', [{ op: 'put', key: 'a', value: Buffer.from('1') }]);
  await deleteService(world.context, await stored(world));
  await world.clock.advance(5_000);
  assert.equal((await stored(world)).isLeaving, true);
  const refused = (work: Promise<unknown>) => assert.rejects(work, (error) => hasCode(error, 'conflict'));
  await refused(deployService(world.context, await world.deployment('fib', 'good')));
  await refused(startService(world.context, await stored(world)));
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
  await assert.rejects(rollBack(world.context, await stored(world)), (error) => hasCode(error, 'conflict'));
  const next = await world.deployment('fib', 'good');
  await deployService(world.context, { ...next, spec: { ...next.spec, environment: { A: '2' } } });
  await world.clock.advance(15_000);
  const { revision } = await rollBack(world.context, await stored(world));
  assert.deepEqual([revision.number, revision.spec.environment], [3, {}]);
  const again = await rollBack(world.context, await stored(world));
  assert.deepEqual([again.revision.number, again.revision.spec.environment], [4, { A: '2' }]);
  await world.clock.advance(15_000);
  assert.deepEqual(await world.revisions('fib'), ['4 current', '3 failed', '2 superseded', '1 superseded']);
});

withWorld('whatever comes together, no service is left that runs and is being deleted', async (world) => {
  const { context } = world;
  // Each may begin while another is in the middle of its work.
  const slow = async (): Promise<boolean> => {
    for (let i = 0; i < 5; i += 1) await Promise.resolve();
    return true;
  };
  const rules = { ...context.rules, isPortFree: slow };
  const together = { ...context, rules };
  const pauses = [0, 1, 3, 6, 10, 20];
  for (const pause of pauses) {
    const deployment = await world.deployment('web', 'good');
    await deployService(together, deployment);
    const before = await world.store.services.get('web');
    assert.ok(before);
    const later = async (work: () => Promise<unknown>): Promise<void> => {
      for (let i = 0; i < pause; i += 1) await Promise.resolve();
      await work();
    };
    await Promise.allSettled([
      deployService(together, { ...deployment, port: 8_150 + pause }),
      later(() => deleteService(together, before)),
      later(() => startService(together, before)),
      later(() => stopService(together, before)),
    ]);
    const after = await world.store.services.get('web');
    assert.ok(!(after?.isLeaving === true && after.isRunning), `a pause of ${pause}`);
    // And it goes when it is to go.
    await deleteService(together, { name: 'web' }).catch((error: unknown) => assert.ok(hasCode(error, 'not_found')));
    await world.clock.advance(5_000);
    assert.equal(await world.store.services.get('web'), undefined);
  }
  await assert.rejects(
    deleteService(context, { name: 'web' }),
    (error) => hasCode(error, 'not_found'),
    'one that is gone',
  );
});
