import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../../src/domain/errors.ts';
import type { EventName } from '../../src/domain/event.ts';
import type { AgentFault } from '../../src/fake/agent-link.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { cancelJob } from '../../src/jobs/cancel.ts';
import type { FileEntry } from '../../src/protocol/file-stream.ts';
import { textBlobs } from './parts.ts';
import { SimServer } from './server.ts';
import { World } from './world.ts';

const noSpace = (): Error => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

/** A cloud of so many sound VMs, whose parts can be made to fail. */
async function cloud(vms: number, maxAttempts = 3) {
  const world = await World.make(1);
  world.bootMs = () => 3_000;
  const settings = { min: vms, max: vms, warm: 0, paused: false, policies: [] };
  const server = new SimServer(world, { settings, maxParallelLaunches: vms, minLifetimeMs: 0, maxAttempts });
  await server.start();
  await world.clock.advance(10_000);
  assert.equal((await world.store.vms.list()).filter((vm) => vm.state === 'ready').length, vms);
  const submit = async (id: string, script: string): Promise<void> => {
    const job = queuedJob({ id, createdAtMs: world.clock.now() });
    await world.store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob: script } });
    server.changes.notify('queue');
  };
  const get = async (id: string) => {
    const job = await world.store.jobs.get(id);
    assert.ok(job !== undefined);
    return job;
  };
  const outcomes = async (id: string) => (await world.store.jobs.attempts(id)).map(({ outcome }) => outcome);
  const events = async (name: EventName) =>
    (await world.store.events.newest(1_000)).filter((event) => event.name === name);
  const end = async (): Promise<void> => {
    assert.deepEqual(world.violations, []);
    const stopped = server.stop();
    await world.clock.advance(30_000);
    await stopped;
    await world.store.close();
  };
  /** The VM of this name is sick by then; its successor is not. */
  const onVm = async (name: string, fault: AgentFault): Promise<AgentFault> => {
    const keyId = (await world.store.vms.get(name))?.keyId;
    return (call, agent, id) => (agent.keyId === keyId ? fault(call, agent, id) : undefined);
  };
  return { world, server, submit, get, outcomes, events, onVm, end };
}

/** Lets calls of a part fail while a condition holds, and counts those that failed. */
function failing<T extends object, K extends keyof T>(part: T, names: readonly K[], error: () => Error | undefined) {
  const count = { failed: 0 };
  for (const name of names) {
    const real = part[name] as (...args: unknown[]) => unknown;
    const fake = async (...args: unknown[]): Promise<unknown> => {
      const thrown = error();
      if (thrown === undefined) return Reflect.apply(real, part, args);
      count.failed += 1;
      throw thrown;
    };
    part[name] = fake as T[K];
  }
  return count;
}

test('a full disk while output is copied ends no job, and the log is whole', async () => {
  const { world, submit, get, outcomes, end } = await cloud(1);
  let left = 3;
  const count = failing(world.logs, ['append'], () => (left-- > 0 ? noSpace() : undefined));
  await submit('job-1', "print('one')\ntime.sleep(1)\nprint('two')");
  await world.clock.advance(60_000);
  assert.equal((await get('job-1')).state, 'succeeded');
  assert.deepEqual(await outcomes('job-1'), ['succeeded']);
  assert.equal(count.failed, 3);
  const log = Buffer.from(await world.logs.read('job-1', 1, 0, 10_000)).toString();
  assert.match(log, /one\n[\s\S]*two\n/);
  assert.equal(log.match(/one/g)?.length, 1);
  await end();
});

test('a full disk while produced files are fetched costs a job that succeeded neither outcome nor files', async () => {
  const { world, submit, get, outcomes, end } = await cloud(1);
  let left = 3;
  const put: typeof textBlobs.put = async (source, maxBytes) => {
    if (left-- > 0) throw new TidepoolError('exhausted', "the server's disk is full; ask its administrator");
    return textBlobs.put(source, maxBytes);
  };
  const hold: typeof textBlobs.hold = () => ({ ...textBlobs.hold(), put, [Symbol.dispose]: () => undefined });
  Object.assign(world.blobs, { hold });
  await submit('job-1', "open('out/a', 'w').write('result')");
  await world.clock.advance(60_000);
  assert.equal((await get('job-1')).state, 'succeeded');
  assert.deepEqual(await outcomes('job-1'), ['succeeded']);
  assert.deepEqual(
    (await world.store.jobs.files('job-1')).map(({ path, blob }) => [path, blob]),
    [['a', 'result']],
  );
  await end();
});

test('a database that refuses writes for ten seconds ends no job and is asked a bounded number of times', async () => {
  const { world, submit, get, events, end } = await cloud(2);
  const { clock, store } = world;
  let untilMs = 0;
  const refused = (): Error | undefined =>
    clock.uptimeMs() < untilMs ? new Error('database or disk is full') : undefined;
  const counts = [
    failing(store.jobs, ['finish', 'requeue', 'markRunning', 'assign'], refused),
    failing(store.vms, ['insert', 'move', 'moveIfIdle', 'delete'], refused),
    failing(store.events, ['append'], refused),
  ];
  for (let i = 0; i < 6; i += 1) await submit(`job-${i}`, 'time.sleep(2)');
  await clock.advance(1_500);
  untilMs = clock.uptimeMs() + 10_000;
  world.harm('sim-0001', 'crash');
  world.hands.crash('sim-0001');
  await clock.advance(10_000);
  const failed = counts.reduce((sum, count) => sum + count.failed, 0);
  assert.ok(failed > 0 && failed <= 100, `${failed} writes were tried`);
  await clock.advance(120_000);
  for (let i = 0; i < 6; i += 1) assert.equal((await get(`job-${i}`)).state, 'succeeded');
  assert.equal((await events('alert.raised')).length, (await events('alert.cleared')).length);
  await end();
});

test('trouble of ours that lasts is one alert, which is cleared when it is over', async () => {
  const { world, submit, get, events, end } = await cloud(1);
  let isFull = true;
  failing(world.logs, ['append'], () => (isFull ? noSpace() : undefined));
  await submit('job-1', "print('one')");
  await submit('job-2', "print('two')");
  await world.clock.advance(120_000);
  assert.equal((await get('job-1')).endedAtMs, null);
  const raised = await events('alert.raised');
  assert.equal(raised.length, 1);
  assert.match(raised[0]?.text ?? '', /wait for something of ours: ENOSPC/);
  isFull = false;
  await world.clock.advance(60_000);
  for (const id of ['job-1', 'job-2']) assert.equal((await get(id)).state, 'succeeded');
  assert.equal((await events('alert.cleared')).length, 1);
  await end();
});

test('a sick VM is drained and replaced after three strikes, with an alert, and costs no job', async () => {
  const { world, submit, get, outcomes, events, onVm, end } = await cloud(4);
  world.agents.fault = await onVm('sim-0000', (call) => (call === 'run' ? 'internal' : undefined));
  for (let i = 0; i < 60; i += 1) await submit(`job-${String(i).padStart(2, '0')}`, 'time.sleep(1)');
  await world.clock.advance(120_000);
  let faults = 0;
  for (let i = 0; i < 60; i += 1) {
    const id = `job-${String(i).padStart(2, '0')}`;
    assert.equal((await get(id)).state, 'succeeded');
    faults += (await outcomes(id)).filter((outcome) => outcome === 'worker_fault').length;
  }
  assert.ok(faults >= 3 && faults <= 8, `${faults} attempts met the sick VM`);
  const [alert] = await events('alert.raised');
  assert.equal(alert?.vm, 'sim-0000');
  assert.match(alert?.text ?? '', /could not run 3 attempts in a row/);
  assert.equal((await events('alert.cleared'))[0]?.vm, 'sim-0000');
  const vms = await world.store.vms.list();
  assert.deepEqual(
    vms.map(({ state }) => state),
    ['ready', 'ready', 'ready', 'ready'],
  );
  await end();
});

test('a job that the only VM cannot run waits for another, others go on, and the VM is replaced for it', async () => {
  const { world, server, submit, get, outcomes, onVm, end } = await cloud(1);
  world.agents.fault = await onVm('sim-0000', (call, _agent, id) =>
    call === 'run' && id.startsWith('job-1-') ? 'internal' : undefined,
  );
  await submit('job-1', "print('one')");
  await world.clock.advance(5_000);
  await submit('job-2', "print('two')");
  await world.clock.advance(5_000);
  assert.equal((await get('job-2')).state, 'succeeded');
  const waiting = await get('job-1');
  assert.equal(waiting.state, 'queued');
  const { reason } = await server.jobs.waiting(waiting);
  assert.equal(reason.code, 'excluded');
  assert.match(reason.text, /could not run it before; it waits for another one/);
  await world.clock.advance(80_000);
  assert.equal((await get('job-1')).state, 'succeeded');
  assert.deepEqual(await outcomes('job-1'), ['worker_fault', 'succeeded']);
  await end();
});

test('a job that no worker can run is lost after its tries, each on another VM, and takes no pool with it', async () => {
  const { world, submit, get, outcomes, events, end } = await cloud(4);
  world.agents.fault = (call, _agent, id) => (call === 'run' && id.startsWith('job-1-') ? 'upstream' : undefined);
  await submit('job-1', "print('one')");
  await world.clock.advance(30_000);
  const job = await get('job-1');
  assert.equal(job.state, 'lost');
  assert.match(job.result?.message ?? '', /could not run it: run was made to fail; it was tried 3 times/);
  assert.deepEqual(await outcomes('job-1'), ['worker_fault', 'worker_fault', 'lost']);
  const vms = (await world.store.jobs.attempts('job-1')).map(({ vmName }) => vmName);
  assert.equal(new Set(vms).size, 3);
  assert.equal((await events('vm.draining')).length, 0);
  await end();
});

test('an answer that is not of the protocol is its worker’s fault: the attempt is ended there and made elsewhere', async () => {
  const { world, submit, get, outcomes, onVm, end } = await cloud(2);
  await submit('job-1', "print('one')\ntime.sleep(20)\nprint('two')");
  await world.clock.advance(2_000);
  const { vmName } = await get('job-1');
  world.agents.fault = await onVm(vmName ?? '', (call) => (call === 'report' ? 'upstream' : undefined));
  for (const guest of world.guests.values()) world.agents.disconnect(guest.address);
  await world.clock.advance(40_000);
  const job = await get('job-1');
  assert.equal(job.state, 'succeeded');
  assert.notEqual(job.vmName, vmName);
  assert.deepEqual(await outcomes('job-1'), ['worker_fault', 'succeeded']);
  await end();
});

test('a VM whose agent does not end an attempt is destroyed before the job is started elsewhere', async () => {
  const { world, submit, get, outcomes, onVm, events, end } = await cloud(2);
  await submit('job-1', 'time.sleep(60)');
  await world.clock.advance(2_000);
  const name = (await get('job-1')).vmName ?? '';
  world.agents.fault = await onVm(name, (call) => (call === 'report' || call === 'remove' ? 'upstream' : undefined));
  for (const guest of world.guests.values()) world.agents.disconnect(guest.address);
  world.harm(name, 'its agent is sick');
  await world.clock.advance(30_000);
  assert.deepEqual(await outcomes('job-1'), ['requeued', null]);
  assert.match((await events('vm.failed'))[0]?.text ?? '', /does not end an attempt/);
  await world.clock.advance(60_000);
  assert.equal((await get('job-1')).state, 'succeeded');
  await end();
});

/** Breaks uploads off on their way to the worker while there are some left to break. */
function breaking(world: World, isBroken: () => boolean): void {
  const run = world.agents.run.bind(world.agents);
  world.agents.run = (agent, spec, files, following) => run(agent, spec, cutOnTheWay(files, isBroken), following);
}

async function* cutOnTheWay(
  files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
  isBroken: () => boolean,
): AsyncGenerator<FileEntry> {
  if (isBroken()) throw new TidepoolError('unavailable', 'the connection to the worker was lost');
  yield* files;
}

test('files that do not arrive do not count as a try', async () => {
  const { world, submit, get, outcomes, end } = await cloud(1, 2);
  let left = 5;
  breaking(world, () => left-- > 0);
  await submit('job-1', "print('one')");
  await world.clock.advance(120_000);
  const job = await get('job-1');
  assert.equal(job.state, 'succeeded');
  assert.deepEqual(await outcomes('job-1'), [...Array.from({ length: 5 }, () => 'not_started'), 'succeeded']);
  await end();
});

/** Lets the blobs of a world fail: at once when they are asked for, or in the middle of their content. */
function failingBlobs(
  world: World,
  problem: () => { readonly isLate: boolean; readonly error: Error } | undefined,
): void {
  const read: typeof textBlobs.read = async (id) => {
    const { sizeBytes, content } = await textBlobs.read(id);
    const found = problem();
    if (found?.isLate === false) throw found.error;
    async function* cut(): AsyncGenerator<Uint8Array> {
      if (found !== undefined) throw found.error;
      yield* content;
    }
    return { sizeBytes, content: cut() };
  };
  Object.assign(world.blobs, { read });
}

for (const isLate of [false, true]) {
  const when = isLate ? 'in the middle of an upload' : 'when an upload is to begin';
  test(`blobs that cannot be read ${when} blame no worker and count no attempt`, async () => {
    // With one attempt a try that counts would end the job.
    const { world, server, submit, get, outcomes, events, end } = await cloud(1, 1);
    const error = new TidepoolError('unavailable', 'the server cannot read its blob: EIO');
    const untilMs = world.clock.uptimeMs() + 20_000;
    let asked = 0;
    failingBlobs(world, () => {
      if (world.clock.uptimeMs() >= untilMs) return undefined;
      asked += 1;
      // Late: it is well when it is looked at, and breaks in the upload behind that.
      return isLate && asked % 2 === 1 ? undefined : { isLate, error };
    });
    await submit('job-1', "print('one')");
    await world.clock.advance(15_000);
    assert.equal((await get('job-1')).state, 'starting');
    assert.equal(server.jobs.troubleOf('job-1'), error.message);
    assert.equal((await events('alert.raised')).length, 1);
    assert.match((await events('alert.raised'))[0]?.text ?? '', /cannot read its blob: EIO/);
    assert.ok(asked <= 12, `asked ${asked} times`);
    await world.clock.advance(60_000);
    assert.equal((await get('job-1')).state, 'succeeded');
    assert.equal(server.jobs.troubleOf('job-1'), undefined);
    assert.deepEqual(await outcomes('job-1'), ['succeeded']);
    assert.equal((await events('alert.cleared')).length, 1);
    await end();
  });
}

test('each damaged blob is one alert beside that of other trouble, and one of its jobs can be cancelled', async () => {
  const { world, server, submit, get, outcomes, events, end } = await cloud(2);
  const damaged = new Set(["print('a')", "print('b')"]);
  const read: typeof textBlobs.read = async (id) => {
    if (!damaged.has(id)) return textBlobs.read(id);
    throw new TidepoolError('internal', `the blob ${id} is damaged`, { details: { damagedBlob: id } });
  };
  Object.assign(world.blobs, { read });
  for (const [id, script] of [
    ['job-1', "print('a')"],
    ['job-2', "print('a')"],
    ['job-3', "print('b')"],
  ] as const)
    await submit(id, script);
  await world.clock.advance(60_000);
  assert.deepEqual(
    (await events('alert.raised')).map(({ data }) => data.damagedBlob).toSorted(),
    [...damaged].toSorted(),
  );
  let isFull = true;
  failing(world.logs, ['append'], () => (isFull ? noSpace() : undefined));
  await submit('job-4', "print('c')");
  await world.clock.advance(30_000);
  assert.equal((await events('alert.raised')).filter(({ text }) => text.includes('ENOSPC')).length, 1);
  await cancelJob({ ...world, changes: server.changes }, 'job-2');
  await world.clock.advance(2_000);
  assert.equal((await get('job-2')).state, 'cancelled');
  isFull = false;
  damaged.clear();
  await world.clock.advance(60_000);
  for (const id of ['job-1', 'job-3', 'job-4']) {
    assert.equal((await get(id)).state, 'succeeded');
    assert.deepEqual(await outcomes(id), ['succeeded']);
  }
  assert.equal((await events('alert.cleared')).length, 1);
  assert.equal((await events('alert.raised')).length, 3);
  await end();
});

test('requirements that cannot be read hold up the jobs that have them, and no others', async () => {
  const { world, server, get, submit, events, end } = await cloud(1);
  let isAway = true;
  let asked = 0;
  const read: typeof textBlobs.read = async (id) => {
    if (id === 'greet' && isAway) {
      asked += 1;
      throw new TidepoolError('unavailable', 'the server cannot read its blob greet: EIO');
    }
    return textBlobs.read(id);
  };
  Object.assign(world.blobs, { read });
  const job = queuedJob({ id: 'job-1', createdAtMs: world.clock.now() });
  await world.store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob: 'pass', requirementsBlob: 'greet' } });
  await submit('job-2', "print('two')");
  await world.clock.advance(20_000);
  assert.equal((await get('job-2')).state, 'succeeded');
  const waiting = await server.jobs.waiting(await get('job-1'));
  assert.match(waiting.reason.text, /it waits for the server: the server cannot read its blob greet: EIO/);
  assert.ok(asked > 1 && asked <= 6, `read ${asked} times`);
  assert.equal((await events('alert.raised')).length, 1);
  isAway = false;
  await world.clock.advance(40_000);
  assert.equal((await events('alert.cleared')).length, 1);
  assert.equal((await get('job-1')).state, 'queued');
  await end();
});

test('one read of the database that fails while a job runs harms nobody', async () => {
  const { world, submit, get, end } = await cloud(1);
  let left = 5;
  const count = failing(world.store.jobs, ['get'], () => (left-- > 0 ? new Error('disk I/O error') : undefined));
  await submit('job-1', 'time.sleep(5)');
  await world.clock.advance(30_000);
  assert.ok(count.failed > 0);
  assert.equal((await get('job-1')).state, 'succeeded');
  await end();
});
