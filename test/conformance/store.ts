import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../src/domain/errors.ts';
import type { EventName } from '../../src/domain/event.ts';
import { emptyResult, type JobState, jobStates } from '../../src/domain/job.ts';
import type { Store } from '../../src/domain/store.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { readyVm } from '../../src/fake/vm.ts';

/** What every Store must do. @param open a new, empty store */
export function storeConformance(name: string, open: () => Promise<Store>): void {
  const withStore = (title: string, body: (store: Store) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const store = await open();
      try {
        await body(store);
      } finally {
        await store.close();
      }
    });
  };
  const assign = async (store: Store, jobId: string, worker: string, nowMs: number): Promise<number | undefined> =>
    (await store.jobs.assign([{ jobId, worker }], nowMs))[0]?.attempt;
  const end = (state: JobState) => ({ state, result: emptyResult, files: [], nowMs: 9_000 });

  withStore('a job comes back as it was put in', async (store) => {
    const job = queuedJob({ id: 'a' });
    await store.jobs.insert(job);
    assert.deepEqual(await store.jobs.get('a'), job);
    assert.equal(await store.jobs.get('b'), undefined);
  });

  withStore('the queue is oldest first, the list newest first and paged', async (store) => {
    for (const id of ['a', 'b', 'c']) await store.jobs.insert(queuedJob({ id }));
    assert.deepEqual(
      (await store.jobs.queuedOf(['admin'], 2)).get('admin')?.map((job) => job.id),
      ['a', 'b'],
    );
    const first = await store.jobs.list({ limit: 2 });
    assert.deepEqual(
      first.map((job) => job.id),
      ['c', 'b'],
    );
    const second = await store.jobs.list({ limit: 2, before: 'b' });
    assert.deepEqual(
      second.map((job) => job.id),
      ['a'],
    );
    assert.deepEqual(await store.jobs.list({ limit: 9, states: ['running'] }), []);
    assert.deepEqual(await store.jobs.list({ limit: 9, owner: 'nobody' }), []);
    assert.equal(await store.jobs.countQueued(), 3);
    assert.equal(await store.jobs.countAhead({ id: 'c', owner: 'admin', priority: 0 }), 2);
  });

  withStore('a job is assigned once, and only to a ready VM', async (store) => {
    await store.jobs.insert(queuedJob({ id: 'a' }));
    assert.equal(await assign(store, 'a', 'test-0000', 1), undefined, 'no such VM');
    await store.vms.insert(readyVm({ state: 'draining' }));
    assert.equal(await assign(store, 'a', 'test-0000', 1), undefined, 'a draining VM');
    await store.vms.move('test-0000', ['draining'], { state: 'ready', reason: '', nowMs: 2 });
    assert.equal(await assign(store, 'a', 'test-0000', 3), 1);
    assert.equal(await assign(store, 'a', 'test-0000', 4), undefined, 'it is not queued any more');
    const [holding] = await store.jobs.holdings();
    assert.deepEqual([holding?.worker, holding?.isRunning], ['test-0000', false]);
  });

  withStore('a report with an old fencing number has no effect', async (store) => {
    await store.vms.insert(readyVm());
    await store.jobs.insert(queuedJob({ id: 'a' }));
    assert.equal(await assign(store, 'a', 'test-0000', 1), 1);
    assert.equal(await store.jobs.requeue('a', 1, 2), true);
    assert.equal(await assign(store, 'a', 'test-0000', 2), 2);
    assert.equal(await store.jobs.markRunning('a', 1, 3), false);
    assert.equal(await store.jobs.finish('a', 1, end('succeeded')), false);
    assert.equal(await store.jobs.requeue('a', 1, 2), false);
    assert.equal(await store.jobs.markRunning('a', 2, 3), true);
    assert.equal(await store.jobs.finish('a', 2, end('failed')), true);
    assert.equal((await store.jobs.get('a'))?.state, 'failed');
  });

  withStore('a cancellation that came before a job goes back to the queue ends it', async (store) => {
    await store.vms.insert(readyVm());
    await store.jobs.insert(queuedJob({ id: 'a' }));
    assert.equal(await assign(store, 'a', 'test-0000', 1), 1);
    assert.equal(await store.jobs.cancel('a', 2), 'requested');
    assert.equal(await store.jobs.requeue('a', 1, 3, { outcome: 'requeued', logBytes: 7 }), true);
    const job = await store.jobs.get('a');
    assert.deepEqual([job?.state, job?.endedAtMs], ['cancelled', 3]);
    assert.equal(await store.jobs.countQueued(), 0);
    assert.deepEqual(
      (await store.jobs.attempts('a')).map(({ outcome }) => outcome),
      ['cancelled'],
    );
    assert.equal(await assign(store, 'a', 'test-0000', 4), undefined);
  });

  withStore('a worker that could not run a job stays excluded for it until it ends', async (store) => {
    await store.vms.insert(readyVm());
    for (const id of ['a', 'b']) await store.jobs.insert(queuedJob({ id }));
    const excluded = async () => {
      const jobs = (await store.jobs.queuedOf(['admin'], 10)).get('admin') ?? [];
      return Object.fromEntries(jobs.map((job) => [job.id, job.excluded ?? []]));
    };
    for (const [attempt, excludedKeyId] of [
      [1, 'k1'],
      [2, 'k2'],
      [3, 'k2'],
    ] as const) {
      assert.equal(await assign(store, 'a', 'test-0000', attempt), attempt);
      assert.equal(await store.jobs.requeue('a', attempt, 9, { outcome: 'worker_fault', excludedKeyId }), true);
    }
    assert.deepEqual(await excluded(), { a: ['k1', 'k2'], b: [] });
    const changes = async () => (await store.jobs.queueUsers()).map((user) => user.changes);
    const before = await changes();
    await store.jobs.readmit('a', ['k1']);
    assert.deepEqual(await excluded(), { a: ['k2'], b: [] });
    assert.notDeepEqual(await changes(), before, 'who has read the queue reads it again');
    assert.deepEqual((await store.jobs.getMany(['a', 'none', 'b'])).map(({ id }) => id).sort(), ['a', 'b']);
    assert.equal(await store.jobs.cancel('a', 10), 'cancelled');
    assert.deepEqual(await excluded(), { b: [] });
  });

  withStore('an ended job stays as it ended', async (store) => {
    await store.vms.insert(readyVm());
    for (const state of (Object.keys(jobStates) as JobState[]).filter((one) => jobStates[one].ended)) {
      await store.jobs.insert(queuedJob({ id: state }));
      await assign(store, state, 'test-0000', 1);
      assert.equal(await store.jobs.finish(state, 1, end(state)), true);
      assert.equal(await store.jobs.finish(state, 1, end('succeeded')), false);
      assert.equal(await store.jobs.cancel(state, 5), 'ended');
      assert.equal((await store.jobs.get(state))?.state, state);
    }
  });

  withStore('files and evidence are kept with the end', async (store) => {
    await store.vms.insert(readyVm());
    await store.jobs.insert(queuedJob({ id: 'a' }));
    await assign(store, 'a', 'test-0000', 1);
    const files = [{ path: 'b/c.txt', sizeBytes: 3, blob: 'f'.repeat(64) }];
    const result = { ...emptyResult, exitCode: 3, peakMemoryBytes: 77 };
    await store.jobs.finish('a', 1, { state: 'failed', result, files, nowMs: 8 });
    assert.deepEqual(await store.jobs.files('a'), files);
    const job = await store.jobs.get('a');
    assert.deepEqual(job?.result, result);
    assert.equal(job?.endedAtMs, 8);
  });

  withStore('a queued job is cancelled at once, an active one is asked to stop', async (store) => {
    await store.vms.insert(readyVm());
    for (const id of ['a', 'b']) await store.jobs.insert(queuedJob({ id }));
    await assign(store, 'b', 'test-0000', 1);
    assert.equal(await store.jobs.cancel('a', 5), 'cancelled');
    assert.equal(await store.jobs.cancel('b', 5), 'requested');
    assert.equal(await store.jobs.cancel('c', 5), 'unknown');
    assert.equal((await store.jobs.get('a'))?.state, 'cancelled');
    const active = await store.jobs.get('b');
    assert.equal(active?.state, 'starting');
    assert.equal(active?.cancelRequested, true);
  });

  withStore('a busy VM is never stopped', async (store) => {
    await store.vms.insert(readyVm());
    await store.jobs.insert(queuedJob({ id: 'a' }));
    await assign(store, 'a', 'test-0000', 1);
    const stop = { state: 'stopping' as const, reason: 'scale in', nowMs: 2 };
    assert.equal(await store.vms.moveIfIdle('test-0000', ['ready'], stop), false);
    await store.jobs.finish('a', 1, end('succeeded'));
    assert.equal(await store.vms.moveIfIdle('test-0000', ['draining'], stop), false);
    assert.equal(await store.vms.moveIfIdle('test-0000', ['ready'], stop), true);
    assert.equal((await store.vms.get('test-0000'))?.state, 'stopping');
  });

  withStore('a VM comes back as it was put in, and moves only from the states named', async (store) => {
    const vm = readyVm({ key: Uint8Array.from({ length: 32 }, (_, i) => i) });
    await store.vms.insert(vm);
    assert.deepEqual(await store.vms.list(), [vm]);
    await assert.rejects(store.vms.insert(vm), (error) => hasCode(error, 'conflict'));
    assert.equal(await store.vms.move('test-0000', ['booting'], { state: 'ready', reason: '', nowMs: 1 }), false);
    const facts = {
      host: 'h',
      port: 1,
      capacity: { cpus: 2, memoryBytes: 3, diskBytes: 4, slots: 5 },
      runtimes: ['ml'],
    };
    assert.equal(
      await store.vms.move('test-0000', ['ready'], { state: 'draining', reason: 'x', nowMs: 7, facts }),
      true,
    );
    assert.deepEqual(await store.vms.get('test-0000'), {
      ...vm,
      ...facts,
      state: 'draining',
      reason: 'x',
      stateSinceMs: 7,
    });
    assert.equal(await store.vms.delete('test-0000'), true);
    assert.deepEqual(await store.vms.list(), []);
    assert.equal(await store.vms.delete('test-0000'), false);
  });

  withStore(
    'facts about a VM are written whatever its state is, but not about another VM of its name',
    async (store) => {
      const vm = readyVm({ state: 'draining', reason: 'x', stateSinceMs: 5 });
      await store.vms.insert(vm);
      const capacity = { cpus: 2, memoryBytes: 3, diskBytes: 4, slots: 5 };
      assert.equal(await store.vms.learn(vm.name, vm.keyId, { capacity, isStanding: true }), true);
      assert.deepEqual(await store.vms.get(vm.name), { ...vm, capacity, isStanding: true });
      assert.equal(await store.vms.learn(vm.name, 'another', { isStanding: false }), false);
      assert.equal(await store.vms.learn('another', vm.keyId, { isStanding: false }), false);
      assert.deepEqual(await store.vms.list(), [{ ...vm, capacity, isStanding: true }]);
    },
  );

  withStore('a VM whose guest stands is given no job', async (store) => {
    const vm = readyVm();
    await store.vms.insert(vm);
    await store.jobs.insert(queuedJob({ id: 'a' }));
    await store.vms.learn(vm.name, vm.keyId, { isStanding: true });
    assert.equal(await assign(store, 'a', vm.name, 1), undefined);
    await store.vms.learn(vm.name, vm.keyId, { isStanding: false });
    assert.equal(await assign(store, 'a', vm.name, 2), 1);
  });

  withStore('the strikes of a worker are kept until they are deleted', async (store) => {
    const one = { keyId: 'k', vm: 'v', pool: 'p', strikes: 1, isAlarmed: false };
    await store.trust.put({ ...one, keyId: 'other' });
    await store.trust.put(one);
    await store.trust.put({ ...one, strikes: 3, isAlarmed: true });
    await store.trust.delete('other');
    await store.trust.delete('other');
    assert.deepEqual(await store.trust.all(), [{ ...one, strikes: 3, isAlarmed: true }]);
  });

  withStore('the row of a VM stays while a job is on it', async (store) => {
    await store.vms.insert(readyVm());
    await store.jobs.insert(queuedJob({ id: 'a' }));
    await assign(store, 'a', 'test-0000', 1);
    assert.equal(await store.vms.delete('test-0000'), false);
    assert.equal((await store.vms.list()).length, 1);
    await store.jobs.requeue('a', 1, 2);
    assert.equal(await store.vms.delete('test-0000'), true);
  });

  withStore('events are numbered upwards and read from any place', async (store) => {
    const event = (n: number) => ({
      atMs: n,
      name: 'vm.launched' as const,
      pool: 'p',
      vm: null,
      text: `${n}`,
      data: { n },
    });
    for (let n = 1; n <= 5; n += 1) await store.events.append(event(n));
    const all = await store.events.after(0, 10);
    assert.deepEqual(
      all.map((one) => one.data),
      [1, 2, 3, 4, 5].map((n) => ({ n })),
    );
    assert.deepEqual(await store.events.after(all[2]?.id ?? 0, 1), [all[3]]);
    assert.deepEqual(await store.events.newest(2), all.slice(3));
  });

  withStore('events are chosen by pool and by name', async (store) => {
    const event = (name: EventName, pool: string) => ({ atMs: 1, name, pool, vm: null, text: '', data: {} });
    const failed = await store.events.append(event('vm.failed', 'p'));
    await store.events.append(event('pool.decision', 'p'));
    await store.events.append(event('pool.decision', 'p'));
    const other = await store.events.append(event('vm.failed', 'q'));
    assert.deepEqual(await store.events.newest(2, undefined, { names: ['vm.failed', 'vm.warm'] }), [failed, other]);
    assert.deepEqual(await store.events.newest(1, undefined, { names: ['vm.failed'], pool: 'p' }), [failed]);
    assert.deepEqual(await store.events.newest(1, other.id, { names: ['vm.failed'] }), [failed]);
    assert.deepEqual(await store.events.newest(1, undefined, { pool: 'none' }), []);
  });

  withStore('a pool keeps what was set', async (store) => {
    assert.equal(await store.pools.get('p'), undefined);
    await store.pools.put({ name: 'p', desired: 2, overrides: { max: 9 } });
    await store.pools.put({ name: 'p', desired: 3, overrides: { paused: true } });
    assert.deepEqual(await store.pools.get('p'), { name: 'p', desired: 3, overrides: { paused: true } });
  });

  withStore('a pool keeps a note, which goes with it', async (store) => {
    const note = { format: 1, savedAtMs: 5, body: { times: [1, 2], name: 'x' } };
    assert.equal(await store.pools.note('p', 'planner'), undefined);
    await store.pools.putNote('p', 'planner', { ...note, format: 0 });
    await store.pools.putNote('p', 'planner', note);
    await store.pools.putNote('q', 'planner', { ...note, body: null });
    assert.deepEqual(await store.pools.note('p', 'planner'), note);
    await store.pools.delete('p');
    assert.equal(await store.pools.note('p', 'planner'), undefined);
    assert.equal((await store.pools.note('q', 'planner'))?.body, null);
  });

  withStore('a setting is made once', async (store) => {
    assert.equal(await store.setting('id', () => 'first'), 'first');
    assert.equal(await store.setting('id', () => 'second'), 'first');
  });
}
