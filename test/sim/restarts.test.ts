import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../../src/domain/errors.ts';
import type { EventName } from '../../src/domain/event.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { SimServer } from './server.ts';
import { World } from './world.ts';

/** What a server has learnt of failures outlives it: a pool on a host without trouble, and servers one after the other. */
async function pool(vms: number) {
  const world = await World.make(1);
  world.bootMs = () => 3_000;
  const settings = { min: 0, max: 100, warm: 0, paused: false, policies: [] };
  const begin = async (): Promise<SimServer> => {
    const made = new SimServer(world, { settings, maxParallelLaunches: 100, minLifetimeMs: 0, maxAttempts: 3 });
    await made.start();
    return made;
  };
  let server = await begin();
  const scale = (desired: number): Promise<void> => server.pool.scale(desired, 'the test wants it');
  await scale(vms);
  await world.clock.advance(10_000);
  const rows = () => world.store.vms.list();
  const count = async (...states: readonly string[]): Promise<number> =>
    (await rows()).filter(({ state }) => states.includes(state)).length;
  const events = async (name: EventName) =>
    (await world.store.events.newest(1_000)).filter((event) => event.name === name);
  const submit = async (id: string): Promise<void> => {
    const job = queuedJob({ id, createdAtMs: world.clock.now() });
    await world.store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob: "print('done')" } });
    server.changes.notify('queue');
  };
  const crash = (name: string): void => {
    world.harm(name, 'crash');
    world.hands.crash(name);
  };
  /** Kill -9, and a successor after a while. @param jumpMs by which the wall clock is set meanwhile */
  const restart = async (awayMs: number, jumpMs = 0): Promise<void> => {
    server.kill();
    await world.clock.advance(awayMs);
    if (jumpMs !== 0) world.clock.jump(jumpMs);
    server = await begin();
  };
  const end = async (): Promise<void> => {
    assert.deepEqual(world.violations, []);
    const stopped = server.stop();
    await world.clock.advance(30_000);
    await stopped;
    await world.store.close();
  };
  return { world, server: () => server, scale, rows, count, events, submit, crash, restart, end };
}

for (const [what, awayMs, jumpMs] of [
  ['at once', 100, 0],
  ['after an hour', 3_600_000, 0],
  ['after the clock was set back by a day', 100, -86_400_000],
  ['after the clock was set forward by a day', 100, 86_400_000],
] as const) {
  test(`VMs that failed limit the launches of a server that is started again ${what}`, async () => {
    const { world, scale, rows, count, events, crash, restart, end } = await pool(10);
    world.bootMs = () => 20_000;
    for (const { name } of (await rows()).slice(0, 5)) crash(name);
    await world.clock.advance(3_000);
    assert.equal((await events('alert.raised')).length, 1);
    const before = await count('creating', 'booting');
    assert.ok(before <= 1, `${before} on their way up`);
    await restart(awayMs, jumpMs);
    await scale(20);
    await world.clock.advance(5_000);
    const after = await count('creating', 'booting');
    assert.ok(after <= 1, `${after} on their way up after the restart`);
    assert.equal((await events('alert.raised')).length, 1);
    world.bootMs = () => 3_000;
    await world.clock.advance(120_000);
    assert.equal(await count('ready'), 20);
    assert.equal((await events('alert.cleared')).length, 1);
    await end();
  });
}

test('launches that fail one after the other go on with their pauses after a restart', async () => {
  const { world, scale, restart, end } = await pool(0);
  world.excusedUntilMs = Number.POSITIVE_INFINITY;
  let tries = 0;
  const seen: number[] = [];
  world.hypervisorFault = (call) => {
    if (call !== 'create') return undefined;
    tries += 1;
    return { error: new TidepoolError('internal', 'no machine can be made') };
  };
  await scale(3);
  await world.clock.advance(120_000);
  for (let i = 0; i < 5; i += 1) {
    tries = 0;
    await restart(100);
    await world.clock.advance(10_000);
    seen.push(tries);
  }
  assert.ok(
    seen.every((count) => count <= 3),
    `launches within ten seconds of each restart: ${seen}`,
  );
  world.hypervisorFault = () => undefined;
  await world.clock.advance(120_000);
  await end();
});

test('how long VMs boot is known after a restart', async () => {
  const { server, restart, end } = await pool(3);
  const { bootMs } = server().pool;
  assert.ok(bootMs !== null && bootMs >= 3_000);
  await restart(60_000);
  assert.equal(server().pool.bootMs, bootMs);
  await end();
});

test('a server that is started again gives a sick worker no three jobs more, and clears its alert', async () => {
  const { world, server, rows, events, submit, restart, end } = await pool(1);
  const keyId = (await rows())[0]?.keyId;
  let given = 0;
  world.agents.fault = (call, agent) => {
    if (call !== 'run' || agent.keyId !== keyId) return undefined;
    given += 1;
    return 'internal';
  };
  for (const id of ['job-1', 'job-2']) {
    await submit(id);
    await world.clock.advance(5_000);
  }
  assert.equal(given, 2);
  await restart(60_000);
  await submit('job-3');
  await world.clock.advance(2_000);
  assert.equal(given, 3);
  assert.match((await events('alert.raised'))[0]?.text ?? '', /could not run 3 attempts in a row/);
  await restart(100);
  await world.clock.advance(120_000);
  assert.equal((await events('alert.cleared')).length, 1);
  assert.deepEqual(await world.store.trust.all(), []);
  for (const id of ['job-1', 'job-2', 'job-3']) assert.equal((await world.store.jobs.get(id))?.state, 'succeeded');
  assert.equal(server().jobs.carriedCount, 0);
  await end();
});

test('a success is remembered as well: strikes before it do not count after a restart', async () => {
  const { world, submit, restart, events, end } = await pool(1);
  let isSick = true;
  world.agents.fault = (call, _agent, id) =>
    call === 'run' && isSick && id.startsWith('job-s') ? 'internal' : undefined;
  for (const id of ['job-s1', 'job-s2', 'job-a']) {
    await submit(id);
    await world.clock.advance(5_000);
  }
  assert.equal((await world.store.jobs.get('job-a'))?.state, 'succeeded');
  assert.deepEqual(await world.store.trust.all(), []);
  await restart(100);
  await submit('job-s3');
  await world.clock.advance(5_000);
  assert.deepEqual(await events('alert.raised'), []);
  isSick = false;
  await world.clock.advance(200_000);
  await end();
});

test('what an agent says later of its machine is in the row: slots that are set aside, and come again', async () => {
  const { world, rows, restart, end } = await pool(1);
  const slots = async (): Promise<number | undefined> => (await rows())[0]?.capacity?.slots;
  assert.equal(await slots(), 256);
  const guest = world.guests.get('sim-0000');
  assert.ok(guest !== undefined);
  const capacity = { cpus: 2, memoryBytes: 4 * 1024 ** 3, diskBytes: 8 * 1024 ** 3, slots: 3 };
  world.agents.boot(guest.address, { capacity });
  await world.clock.advance(5_000);
  assert.equal(await slots(), 3);
  await restart(100);
  world.agents.boot(guest.address, { capacity: { ...capacity, slots: 256 } });
  await world.clock.advance(15_000);
  assert.equal(await slots(), 256);
  await end();
});
