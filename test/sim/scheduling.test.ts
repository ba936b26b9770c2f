import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plan } from '../../src/autoscaler/plan.ts';
import { policiesNamed } from '../../src/autoscaler/presets.ts';
import { defaultFlavors } from '../../src/domain/flavor.ts';
import { defaultJobLimits } from '../../src/domain/limits.ts';
import { unlimitedStorage } from '../../src/domain/storage.ts';
import type { Store } from '../../src/domain/store.ts';
import { FakeAgentLink } from '../../src/fake/agent-link.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { emptySpec, queuedJob } from '../../src/fake/job.ts';
import { poolSnapshot, sampledVm } from '../../src/fake/scaling.ts';
import { readyVm } from '../../src/fake/vm.ts';
import { cancelJobs } from '../../src/jobs/cancel.ts';
import type { JobContext } from '../../src/jobs/context.ts';
import { JobController } from '../../src/jobs/controller.ts';
import { defaultUserRules, type UserRules } from '../../src/jobs/rules.ts';
import { Changes } from '../../src/reconcile/changes.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { temporaryFolder } from '../support/server.ts';
import { MemoryLogs, noArchives, onlyPython, textBlobs } from './parts.ts';

const GiB = 1024 ** 3;
const tries = 3;
const capacity = { cpus: 4, memoryBytes: 16 * GiB, diskBytes: 64 * GiB, slots: 256 };

interface Submitted {
  readonly cpus?: number;
  readonly priority?: number;
  readonly runtime?: string;
  readonly memoryBytes?: number;
  readonly diskBytes?: number;
  readonly outputBytes?: number;
}

/** The job service with everything but VMs: workers are fake agents, time is the test's. */
class Service {
  readonly clock = new FakeClock();
  readonly link = new FakeAgentLink(this.clock);
  readonly store: Store;
  readonly context: JobContext;
  jobs: JobController;
  #made = 0;

  constructor(store: Store, users: Readonly<Record<string, Partial<UserRules>>> = {}) {
    this.store = store;
    this.context = {
      store,
      link: this.link,
      clock: this.clock,
      blobs: textBlobs,
      logs: new MemoryLogs(),
      archives: noArchives,
      storage: unlimitedStorage,
      runtimes: onlyPython,
      hasPip: false,
      flavors: defaultFlavors,
      changes: new Changes(),
      maxAttempts: 3,
      workerPools: new Set(['default']),
      rules: {
        placement: 'pack',
        halfLifeMs: 3_600_000,
        maxWaitMs: 3_600_000,
        userRules: (user) => ({ ...defaultUserRules, ...users[user] }),
      },
      log: () => undefined,
    };
    this.jobs = new JobController(this.context);
  }

  async addWorker(name: string, own: Partial<typeof capacity> = {}): Promise<void> {
    const all = { ...capacity, ...own };
    const vm = readyVm({ name, capacity: all, port: Number(name.slice(1)) });
    this.link.boot({ host: vm.host ?? '', port: vm.port ?? 0, keyId: vm.keyId, key: vm.key }, { capacity: all });
    await this.store.vms.insert(vm);
  }

  /** Its machine is gone, and the pool has noticed. */
  async loseWorker(name: string): Promise<void> {
    const vm = await this.store.vms.get(name);
    assert.ok(vm !== undefined);
    this.link.lose({ host: vm.host ?? '', port: vm.port ?? 0, keyId: vm.keyId, key: vm.key });
    await this.store.vms.move(name, ['ready'], { state: 'dead', reason: 'lost', nowMs: this.clock.now() });
  }

  async submit(owner: string, seconds: number, fields: Submitted = {}): Promise<string> {
    const id = `job-${String(this.#made++).padStart(5, '0')}`;
    const { cpus = 1, priority = 0, runtime = 'python', ...own } = fields;
    const limits = { ...defaultJobLimits, cpus, timeoutMs: 60_000, ...own };
    const spec = { ...emptySpec, priority, runtime, limits, scriptBlob: `import time\ntime.sleep(${seconds})` };
    await this.store.jobs.insert(queuedJob({ id, owner, spec, createdAtMs: this.clock.now() }));
    this.context.changes.notify('queue');
    return id;
  }

  async waiting(id: string): Promise<{ code: string; place: number }> {
    const job = await this.store.jobs.get(id);
    assert.ok(job?.state === 'queued', `${id} does not wait`);
    const { reason, place } = await this.jobs.waiting(job);
    return { code: reason.code, place };
  }

  async states(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { state } of await this.store.jobs.list({ limit: 1_000 })) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  async stop(): Promise<void> {
    const stopped = this.jobs.stop();
    await this.clock.advance(2_000);
    await stopped;
    await this.store.close();
  }
}

const inMemory = async (users?: Readonly<Record<string, Partial<UserRules>>>): Promise<Service> =>
  new Service(await openSqliteStore(':memory:'), users);

test('jobs of several users run through, each user by his weight, none over what the workers have', async () => {
  const service = await inMemory({ ann: { weight: 3 } });
  await service.addWorker('w1');
  await service.addWorker('w2');
  for (let i = 0; i < 80; i += 1) for (const owner of ['ann', 'ben']) await service.submit(owner, 8 + (i % 5));
  service.jobs.start();
  for (let second = 0; second < 60; second += 5) {
    await service.clock.advance(5_000);
    const holdings = await service.store.jobs.holdings();
    for (const worker of ['w1', 'w2']) {
      const cpus = holdings.filter((one) => one.worker === worker).reduce((sum, one) => sum + one.cpus, 0);
      assert.ok(cpus <= 4, `${worker} has ${cpus}`);
      assert.ok(cpus >= 3, `${worker} idles with ${cpus} while jobs wait`);
    }
  }
  const ended = (await service.store.jobs.list({ limit: 1_000, states: ['succeeded'] })).map(({ owner }) => owner);
  const ratio = ended.filter((owner) => owner === 'ann').length / ended.filter((owner) => owner === 'ben').length;
  assert.ok(ratio > 2 && ratio < 4.5, `ann got ${ratio} times what ben got`);
  await service.clock.advance(600_000);
  assert.deepEqual(await service.states(), { succeeded: 160 });
  await service.stop();
});

test('a waiting job is told why, and its place moves up', async () => {
  const service = await inMemory({ cat: { maxRunning: 1 } });
  service.jobs.start();
  const first = await service.submit('ann', 10, { cpus: 4 });
  await service.clock.advance(2_000);
  assert.deepEqual(await service.waiting(first), { code: 'no_worker', place: 0 });
  await service.addWorker('w1');
  const large = await service.submit('ann', 10, { cpus: 4 });
  const behind = await service.submit('ann', 10, { cpus: 4 });
  const urgent = await service.submit('ann', 10, { cpus: 4, priority: 1 });
  await service.clock.advance(2_000);
  assert.deepEqual(await service.waiting(first), { code: 'reserved', place: 0 }, 'the urgent one runs');
  assert.deepEqual(await service.waiting(large), { code: 'no_cpus', place: 1 });
  assert.deepEqual(await service.waiting(behind), { code: 'no_cpus', place: 2 });
  await service.clock.advance(10_000);
  assert.equal((await service.store.jobs.get(urgent))?.state, 'succeeded');
  assert.deepEqual(await service.waiting(behind), { code: 'no_cpus', place: 1 });
  await service.addWorker('w2');
  await service.submit('cat', 100, { cpus: 0.5 });
  const limited = await service.submit('cat', 100, { cpus: 0.5 });
  await service.clock.advance(1_500);
  assert.equal((await service.waiting(limited)).code, 'user_running');
  await service.stop();
});

test('a job whose workers are lost is tried again, so often and no more; a failing script is not', async () => {
  const service = await inMemory();
  service.jobs.start();
  const unlucky = await service.submit('ann', 20);
  for (const name of ['w1', 'w2', 'w3']) {
    await service.addWorker(name);
    await service.clock.advance(5_000);
    assert.equal((await service.store.jobs.get(unlucky))?.vmName, name);
    await service.loseWorker(name);
    await service.clock.advance(2_000);
  }
  const job = await service.store.jobs.get(unlucky);
  assert.deepEqual([job?.state, job?.attempt], ['lost', 3]);
  await service.stop();
});

test('what an earlier process began is carried to its end', async () => {
  const service = await inMemory();
  await service.addWorker('w1');
  service.jobs.start();
  for (let i = 0; i < 8; i += 1) await service.submit('ann', 20);
  await service.clock.advance(10_000);
  const stopped = service.jobs.stop();
  await service.clock.advance(1_000);
  await stopped;
  service.jobs = new JobController(service.context);
  service.jobs.start();
  await service.clock.advance(60_000);
  const jobs = await service.store.jobs.list({ limit: 100 });
  assert.deepEqual(await service.states(), { succeeded: 8 });
  assert.ok(jobs.every(({ attempt }) => attempt === 1));
  await service.stop();
});

test('1,000 queued jobs are cancelled as quickly as they are submitted, beside others that run on', async () => {
  const folder = await temporaryFolder('cancel');
  try {
    const service = new Service(await openSqliteStore(`${folder.path}/tidepool.db`));
    await service.submit('ben', 5);
    const submit = () => Promise.all(Array.from({ length: 1_000 }, () => service.submit('ann', 5)));
    const submittingMs = await quickestMs(async () => undefined, submit);
    await cancelJobs(service.context, { owner: 'ann', states: ['queued'] });
    const togetherMs = await quickestMs(submit, async (ids) => {
      const done = await cancelJobs(service.context, { owner: 'ann', states: ['queued'] });
      assert.deepEqual(done, { cancelled: ids.length, stopping: 0 });
    });
    // A submission writes a job and its evidence; a cancellation may not take longer. One run measures both, so a busy machine is no failure.
    assert.ok(togetherMs < submittingMs, `together ${togetherMs} ms, submitting ${submittingMs} ms`);
    const ended = await service.store.jobs.list({ limit: 10_000, states: ['cancelled'] });
    assert.equal(new Set(ended.map(({ id }) => id)).size, 2 * tries * 1_000);
    assert.equal(await service.store.jobs.countQueued(), 1);
    const oneByOneMs = await quickestMs(submit, (ids) =>
      Promise.all(ids.map((id) => service.store.jobs.cancel(id, 1))),
    );
    assert.ok(oneByOneMs < 2 * submittingMs, `one by one ${oneByOneMs} ms, submitting ${submittingMs} ms`);
    await service.store.close();
  } finally {
    await folder.remove();
  }
});

/** How long the work takes on what was made for it, in the quickest of some tries: a machine stands still now and then. */
async function quickestMs<T>(make: () => Promise<T>, work: (made: T) => Promise<unknown>): Promise<number> {
  let quickest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries; i += 1) {
    const made = await make();
    const startedAtMs = performance.now();
    await work(made);
    quickest = Math.min(quickest, performance.now() - startedAtMs);
  }
  return quickest;
}

test('one limited user with 1,000 jobs asks for one VM more, and two pools do not both grow for one backlog', async () => {
  const service = await inMemory({ ann: { maxRunning: 1 } });
  const shape = {
    cpus: 1,
    memoryBytes: 16 * GiB,
    diskBytes: 64 * GiB,
    slots: 256,
    runtimes: new Set(['python']),
    max: 50,
    heldCpus: 0,
    perVm: 1,
  };
  const pools = [
    { ...shape, name: 'first' },
    { ...shape, name: 'second' },
  ];
  assert.equal(service.jobs.demand(pools), undefined, 'before the first step nothing is known');
  service.jobs.start();
  for (let i = 0; i < 1_000; i += 1) await service.submit('ann', 5);
  await service.clock.advance(2_000);
  const policies = policiesNamed(['backlog']);
  const desired = (pool: string, fields: { desired: number; inFlight: number }): number => {
    const vms = Array.from({ length: fields.desired }, (_, i) =>
      sampledVm(`${pool}${i}`, service.clock.now(), [], { inFlight: i < fields.inFlight ? 1 : 0 }),
    );
    const backlog = { waiting: service.jobs.demand(pools)?.get(pool) ?? null, perVm: 1, meanMs: null };
    return plan(poolSnapshot(vms, { backlog, desired: fields.desired }), policies, service.clock.now()).desired;
  };
  assert.equal(desired('first', { desired: 0, inFlight: 0 }), 1);
  assert.equal(desired('second', { desired: 0, inFlight: 0 }), 0);
  await service.addWorker('w1');
  await service.clock.advance(2_000);
  assert.equal(desired('first', { desired: 1, inFlight: 1 }), 1, 'while his only job runs nothing more is wanted');
  for (let i = 0; i < 7; i += 1) await service.submit('ben', 5);
  await service.clock.advance(1_000);
  const [first, second] = [
    desired('first', { desired: 1, inFlight: 1 }),
    desired('second', { desired: 0, inFlight: 0 }),
  ];
  assert.ok(first > 1 && second === 0, `${first} and ${second}`);
  await service.stop();
});

const tiny = { cpus: 0.1, memoryBytes: 16 * 1024 ** 2, diskBytes: 1024 ** 2, outputBytes: 1024 };

test('400 small jobs on a worker with CPUs for 640 and places for 256 all succeed', async () => {
  const service = await inMemory();
  await service.addWorker('w1', { cpus: 64 });
  for (let i = 0; i < 400; i += 1) await service.submit('ann', 3, tiny);
  service.jobs.start();
  let most = 0;
  for (let second = 0; second < 40; second += 1) {
    await service.clock.advance(1_000);
    most = Math.max(most, (await service.store.jobs.holdings()).length);
  }
  assert.deepEqual(await service.states(), { succeeded: 400 });
  assert.ok((await service.store.jobs.list({ limit: 1_000 })).every(({ attempt }) => attempt === 1));
  assert.ok(most <= 256 && most > 200, `${most} at one time`);
  await service.stop();
});

test('jobs never hold more of a worker’s disk than it has', async () => {
  const service = await inMemory();
  await service.addWorker('w1', { cpus: 64, diskBytes: 10 * GiB });
  for (let i = 0; i < 30; i += 1) await service.submit('ann', 3, { ...tiny, diskBytes: GiB });
  service.jobs.start();
  await service.clock.advance(2_500);
  assert.equal((await service.store.jobs.holdings()).length, 9);
  await service.clock.advance(60_000);
  assert.deepEqual(await service.states(), { succeeded: 30 });
  await service.stop();
});

test('jobs that cannot run now do not hide the one behind them that can, however many users there are', async () => {
  for (const blocked of [{ runtime: 'ml' }, { memoryBytes: 32 * GiB }, { diskBytes: 100 * GiB }, { cpus: 3 }]) {
    const service = await inMemory({ ann: { maxCpus: 2 } });
    await service.addWorker('w1');
    // No worker may be missing for the larger ones to be waited for.
    const flavors = [{ name: 'huge', vcpus: 64, memoryMiB: 1024 ** 2, diskGiB: 1024 }];
    Object.assign(service.context, { flavors, runtimes: { ...onlyPython, names: async () => ['ml', 'python'] } });
    for (let user = 0; user < 600; user += 1) await service.submit(`user-${user}`, 1);
    for (let i = 0; i < 30; i += 1) await service.submit('ann', 1, blocked);
    const fits = await service.submit('ann', 1);
    service.jobs.start();
    await service.clock.advance(3_000);
    assert.notEqual((await service.store.jobs.get(fits))?.state, 'queued', JSON.stringify(blocked));
    await service.stop();
  }
});

test('a job that can never run is rejected and says why: its runtime was removed, or nothing is as large any more', async () => {
  const service = await inMemory();
  await service.addWorker('w1');
  Object.assign(service.context, { runtimes: { ...onlyPython, isRemoved: async (name: string) => name === 'gone' } });
  const removed = await service.submit('ann', 1, { runtime: 'gone' });
  const large = await service.submit('ann', 1, { memoryBytes: 64 * GiB });
  const fits = await service.submit('ann', 1);
  service.jobs.start();
  await service.clock.advance(5_000);
  const of = async (id: string) => {
    const job = await service.store.jobs.get(id);
    return `${job?.state}: ${job?.result?.message}`;
  };
  assert.equal(await of(removed), 'rejected: its runtime gone was removed before it was started');
  assert.match(await of(large), /^rejected: no worker is large enough any more for 1 CPUs, 65536 MiB of memory/);
  assert.equal(await of(fits), 'succeeded: ');
  await service.stop();
});
