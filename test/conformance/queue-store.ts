import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptyResult, type Job } from '../../src/domain/job.ts';
import { heldDiskBytes } from '../../src/domain/limits.ts';
import type { WorkerShape } from '../../src/domain/queue.ts';
import type { Store } from '../../src/domain/store.ts';
import { decayed, held } from '../../src/domain/usage.ts';
import { emptySpec, queuedJob } from '../../src/fake/job.ts';
import { readyVm } from '../../src/fake/vm.ts';

const halfLifeMs = 1_000;
const ended = { state: 'succeeded' as const, result: emptyResult, files: [] };

/** What every Store must do for the scheduler. @param open a new, empty store with this half-life of usage */
export function queueStoreConformance(name: string, open: (halfLifeMs: number) => Promise<Store>): void {
  const withStore = (title: string, body: (store: Store) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const store = await open(halfLifeMs);
      try {
        await store.vms.insert(readyVm());
        await body(store);
      } finally {
        await store.close();
      }
    });
  };

  withStore("a user's queue is by priority, then oldest first; users are apart", async (store) => {
    for (const [id, owner, priority] of [
      ['a', 'ann', 0],
      ['b', 'ann', -5],
      ['c', 'ben', 100],
      ['d', 'ann', 7],
      ['e', 'ann', 7],
    ] as const) {
      await store.jobs.insert(job(id, owner, { priority }));
    }
    const queues = await store.jobs.queuedOf(['ann', 'nobody', 'ben'], 10);
    assert.deepEqual([queues.get('ben')?.length, queues.get('nobody')?.length], [1, 0]);
    const queue = queues.get('ann') ?? [];
    assert.deepEqual(
      queue.map((one) => one.id),
      ['d', 'e', 'a', 'b'],
    );
    assert.deepEqual(queue[0], {
      id: 'd',
      owner: 'ann',
      priority: 7,
      runtime: emptySpec.runtime,
      cpus: emptySpec.limits.cpus,
      memoryBytes: emptySpec.limits.memoryBytes,
      diskBytes: heldDiskBytes(emptySpec.limits),
      timeoutMs: emptySpec.limits.timeoutMs,
      createdAtMs: 1_000,
    });
    assert.equal((await store.jobs.queuedOf(['ann'], 2)).get('ann')?.length, 2);
    for (const [ahead, one] of queue.entries()) assert.equal(await store.jobs.countAhead(one), ahead);
    assert.deepEqual([await store.jobs.countQueued(), await store.jobs.countQueued('ben')], [5, 1]);
    assert.equal(await store.jobs.countQueued('nobody'), 0);
  });

  withStore('a user is charged for what his jobs held, older use counting less', async (store) => {
    await store.jobs.insert(job('a', 'ann', { cpus: 2 }));
    await store.jobs.insert(job('b', 'ann', { cpus: 1 }));
    await store.jobs.insert(job('c', 'ann'));
    await store.jobs.assign([{ jobId: 'a', worker: 'test-0000' }], 10_000);
    await store.jobs.finish('a', 1, { ...ended, nowMs: 12_000 });
    await store.jobs.assign([{ jobId: 'b', worker: 'test-0000' }], 12_000);
    await store.jobs.requeue('b', 1, 13_000);
    const [ann] = await store.jobs.queueUsers();
    const first = { cpuMs: held(2, 10_000, 12_000, halfLifeMs), atMs: 12_000 };
    const expected = decayed(first, 13_000, halfLifeMs) + held(1, 12_000, 13_000, halfLifeMs);
    assert.equal(ann?.usage.atMs, 13_000);
    assert.ok(Math.abs(ann.usage.cpuMs - expected) < 1e-6, `${ann.usage.cpuMs} is not ${expected}`);
  });

  withStore('of a queue the first jobs that a kind of worker could run are found behind others', async (store) => {
    const large = { cpus: 9, memoryBytes: 1024 ** 4, diskBytes: 1024 ** 4 };
    for (let i = 0; i < 30; i += 1) await store.jobs.insert(job(`a${i + 10}`, 'ann', { cpus: 2, runtime: 'ml' }));
    for (const [id, cpus] of [
      ['b1', 4],
      ['b2', 2],
      ['b3', 1],
    ] as const)
      await store.jobs.insert(job(id, 'ann', { cpus }));
    const find = async (shapes: readonly WorkerShape[], maxCpus = Number.POSITIVE_INFINITY, limit = 9) => {
      const found = await store.jobs.runnableOf(
        [
          { name: 'ann', maxCpus },
          { name: 'nobody', maxCpus },
        ],
        shapes,
        limit,
      );
      assert.deepEqual(found.get('nobody'), []);
      return found.get('ann')?.map(({ id }) => id);
    };
    assert.deepEqual(await find([{ ...large, runtimes: ['python'] }]), ['b1', 'b2', 'b3']);
    assert.deepEqual(await find([{ ...large, runtimes: ['python'] }], 2), ['b2', 'b3']);
    assert.deepEqual(await find([{ ...large, runtimes: ['python'] }], 2, 1), ['b2']);
    assert.deepEqual(await find([{ ...large, cpus: 1, runtimes: ['python', 'other'] }]), ['b3']);
    assert.deepEqual(await find([{ ...large, memoryBytes: 1, runtimes: ['python'] }]), []);
    assert.deepEqual(await find([{ ...large, diskBytes: 1, runtimes: ['python'] }]), []);
    const two = [
      { ...large, cpus: 1, runtimes: ['python'] },
      { ...large, runtimes: ['ml'] },
    ];
    assert.deepEqual(await find(two, 9, 3), ['a10', 'a11', 'a12']);
  });

  withStore(
    'queued jobs that can never run are rejected, by their runtime or by id, and leave the queue',
    async (store) => {
      for (const id of ['a', 'b', 'c']) await store.jobs.insert(job(id, 'ann'));
      await store.jobs.insert(job('d', 'ann', { runtime: 'gone' }));
      assert.deepEqual(await store.jobs.reject({ runtime: 'gone' }, 'removed', 5_000), ['d']);
      assert.deepEqual(await store.jobs.reject({ ids: ['b', 'nothing'] }, 'too large', 6_000), ['b']);
      assert.deepEqual(await store.jobs.reject({ ids: ['b'] }, 'too large', 6_000), []);
      const b = await store.jobs.get('b');
      assert.deepEqual([b?.state, b?.result?.message, b?.endedAtMs], ['rejected', 'too large', 6_000]);
      assert.equal(await store.jobs.countQueued('ann'), 2);
    },
  );

  withStore('what active jobs hold is told', async (store) => {
    await store.jobs.insert(job('a', 'ann', { cpus: 2 }));
    await store.jobs.assign([{ jobId: 'a', worker: 'test-0000' }], 10_000);
    const { memoryBytes, timeoutMs } = emptySpec.limits;
    const diskBytes = heldDiskBytes(emptySpec.limits);
    const held = { cpus: 2, memoryBytes, diskBytes, timeoutMs };
    const place = { jobId: 'a', owner: 'ann', worker: 'test-0000', attempt: 1, ...held };
    const holding = { ...place, isRunning: false, assignedAtMs: 10_000 };
    assert.deepEqual(await store.jobs.holdings(), [holding]);
    await store.jobs.markRunning('a', 1, 11_000);
    assert.deepEqual(await store.jobs.holdings(), [{ ...holding, isRunning: true }]);
    assert.deepEqual([...(await store.jobs.holdingsByWorker()).keys()], ['test-0000']);
    await store.jobs.finish('a', 1, { ...ended, nowMs: 12_000 });
    assert.deepEqual(await store.jobs.holdings(), []);
  });

  withStore('the wait of the first job begins when it becomes the first', async (store) => {
    const since = async (): Promise<number | undefined> => (await store.jobs.queueUsers())[0]?.firstSinceMs;
    await store.jobs.insert({ ...job('a', 'ann'), createdAtMs: 1_000 });
    await store.jobs.insert({ ...job('b', 'ann'), createdAtMs: 2_000 });
    await store.jobs.insert({ ...job('c', 'ann'), createdAtMs: 3_000 });
    assert.equal(await since(), 1_000);
    await store.jobs.assign([{ jobId: 'b', worker: 'test-0000' }], 4_000);
    assert.equal(await since(), 1_000, 'a job behind it has passed it');
    await store.jobs.assign([{ jobId: 'a', worker: 'test-0000' }], 5_000);
    assert.equal(await since(), 5_000);
    await store.jobs.cancel('c', 6_000);
    await store.jobs.insert({ ...job('d', 'ann'), createdAtMs: 7_000 });
    assert.equal(await since(), 7_000, 'the queue was empty');
  });

  withStore('many assignments are one step; those that cannot be are left out', async (store) => {
    for (const id of ['a', 'b', 'c', 'd']) await store.jobs.insert(job(id, id === 'c' ? 'ben' : 'ann'));
    await store.jobs.cancel('d', 1);
    const assigned = await store.jobs.assign(
      [
        { jobId: 'a', worker: 'test-0000' },
        { jobId: 'b', worker: 'gone' },
        { jobId: 'c', worker: 'test-0000' },
        { jobId: 'd', worker: 'test-0000' },
        { jobId: 'a', worker: 'test-0000' },
      ],
      5,
    );
    assert.deepEqual(
      assigned.map(({ id, state, vmName, attempt }) => [id, state, vmName, attempt]),
      [
        ['a', 'starting', 'test-0000', 1],
        ['c', 'starting', 'test-0000', 1],
      ],
    );
    assert.equal((await store.jobs.get('b'))?.state, 'queued');
  });

  withStore('many are cancelled by owner, state, label and id, a bounded number at a time', async (store) => {
    for (let i = 0; i < 8; i += 1) {
      const labels = i % 2 === 0 ? { "it's": 'a "b"', k: 'v' } : {};
      await store.jobs.insert(job(`j${i}`, i < 6 ? 'ann' : 'ben', {}, labels));
    }
    await store.jobs.assign([{ jobId: 'j0', worker: 'test-0000' }], 5);
    const even = { owner: 'ann', labels: { "it's": 'a "b"' } };
    assert.deepEqual(await store.jobs.cancelMany({ ...even, states: ['running'] }, 9, 6), none);
    assert.deepEqual(await store.jobs.cancelMany({ ...even, labels: { k: 'other' } }, 9, 6), none);
    const done = await store.jobs.cancelMany(even, 9, 6);
    assert.deepEqual([done.cancelled.toSorted(), done.requested], [['j2', 'j4'], ['j0']]);
    assert.deepEqual(await store.jobs.cancelMany(even, 9, 6), none, 'it is done already');
    assert.deepEqual(await store.jobs.cancelMany({ ids: ['j1', 'j7', 'j2'], owner: 'ann' }, 9, 6), {
      cancelled: ['j1'],
      requested: [],
    });
    assert.equal((await store.jobs.cancelMany({}, 2, 7)).cancelled.length, 2);
    assert.equal((await store.jobs.cancelMany({}, 9, 7)).cancelled.length, 2);
    assert.equal((await store.jobs.get('j7'))?.endedAtMs, 7);
    assert.equal((await store.jobs.get('j0'))?.cancelRequested, true);
  });

  test(`${name}: whatever happens, the counts of the queue are right, and every change of it is seen`, async () => {
    const owner = fc.constantFrom('ann', 'ben');
    const which = fc.nat({ max: 11 });
    const action = fc.oneof(
      fc.record({ kind: fc.constant('insert' as const), owner }),
      fc.record({ kind: fc.constantFrom('assign', 'finish', 'requeue', 'cancel', 'cancelMany'), which }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const store = await open(halfLifeMs);
        try {
          await store.vms.insert(readyVm());
          await carryOut(store, actions);
        } finally {
          await store.close();
        }
      }),
      { numRuns: 30 },
    );
  });
}

const none = { cancelled: [], requested: [] };

interface Fields {
  readonly priority?: number;
  readonly cpus?: number;
  readonly runtime?: string;
}

function job(id: string, owner: string, fields: Fields = {}, labels = {}): Job {
  const { priority = 0, cpus = 1, runtime = 'python' } = fields;
  const spec = { ...emptySpec, priority, runtime, labels, limits: { ...emptySpec.limits, cpus } };
  return queuedJob({ id, owner, spec });
}

type Action = { kind: 'insert'; owner: string } | { kind: string; which: number };

async function carryOut(store: Store, actions: readonly Action[]): Promise<void> {
  const { jobs } = store;
  let before = await queuesOf(store);
  let made = 0;
  for (const action of actions) {
    const id = 'which' in action ? `j${action.which}` : '';
    const attempt = (await jobs.get(id))?.attempt ?? 0;
    if ('owner' in action) await jobs.insert(job(`j${made++}`, action.owner));
    else if (action.kind === 'assign') await jobs.assign([{ jobId: id, worker: 'test-0000' }], 5);
    else if (action.kind === 'finish') await jobs.finish(id, attempt, { ...ended, nowMs: 6 });
    else if (action.kind === 'requeue') await jobs.requeue(id, attempt, 6);
    else if (action.kind === 'cancel') await jobs.cancel(id, 7);
    else await jobs.cancelMany({ ids: [id, 'j1'] }, 5, 7);
    const after = await queuesOf(store);
    for (const [user, { ids, changes, queued }] of after) {
      assert.equal(queued, ids.length, `${user} has ${ids.join()}`);
      const old = before.get(user);
      if (old !== undefined && old.ids.join() !== ids.join()) assert.notEqual(changes, old.changes, 'a change unseen');
    }
    assert.equal(
      await jobs.countQueued(),
      [...after.values()].reduce((sum, { ids }) => sum + ids.length, 0),
    );
    before = after;
  }
}

async function queuesOf(store: Store): Promise<Map<string, { ids: string[]; queued: number; changes: number }>> {
  const users = await store.jobs.queueUsers();
  const queues = new Map<string, { ids: string[]; queued: number; changes: number }>();
  const jobs = await store.jobs.queuedOf(
    users.map(({ name }) => name),
    99,
  );
  for (const { name, queued, changes } of users) {
    queues.set(name, { ids: (jobs.get(name) ?? []).map(({ id }) => id), queued, changes });
  }
  const listed = await store.jobs.list({ limit: 1_000, states: ['queued'] });
  assert.deepEqual(listed.map(({ id }) => id).sort(), [...queues.values()].flatMap(({ ids }) => ids).sort());
  return queues;
}
