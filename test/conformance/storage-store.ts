import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyResult, type Job, type JobFile } from '../../src/domain/job.ts';
import { maxOnceKeys, onceForMs } from '../../src/domain/once.ts';
import type { Store } from '../../src/domain/store.ts';
import { emptySpec, queuedJob } from '../../src/fake/job.ts';
import { readyVm } from '../../src/fake/vm.ts';

const [script, data, requirements, produced] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(64)) as [
  string,
  string,
  string,
  string,
];

function jobWith(id: string, owner: string, spec: Partial<Job['spec']> = {}): Job {
  const inputBytes = { script: 10, data: 0, requirements: 0 };
  return queuedJob({ id, owner, spec: { ...emptySpec, scriptBlob: script, inputBytes, ...spec } });
}

/** What every Store must do about what is kept, and about requests that take effect once. */
export function storageStoreConformance(name: string, open: () => Promise<Store>): void {
  const withStore = (title: string, body: (store: Store) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const store = await open();
      try {
        await store.vms.insert(readyVm());
        await body(store);
      } finally {
        await store.close();
      }
    });
  };
  const finish = async (store: Store, id: string, files: readonly JobFile[], nowMs: number): Promise<void> => {
    await store.jobs.assign([{ jobId: id, worker: 'test-0000' }], nowMs - 1);
    const end = { state: 'succeeded' as const, result: emptyResult, files, logBytes: 5, nowMs };
    assert.equal(await store.jobs.finish(id, 1, end), true);
  };
  const file = (path: string, sizeBytes = 7): JobFile => ({ path, sizeBytes, blob: produced });

  withStore('what a user keeps is counted, an input of many jobs once', async (store) => {
    const used = (owner: string, adding = [] as { id: string; sizeBytes: number }[]) =>
      store.storage.usedBytes(owner, adding);
    assert.equal(await used('ann'), 0);
    const inputBytes = { script: 10, data: 100, requirements: 3 };
    const spec = { dataBlob: data, requirementsBlob: requirements, inputBytes };
    for (const id of ['a', 'b']) await store.jobs.insert(jobWith(id, 'ann', spec));
    await store.jobs.insert(jobWith('c', 'ben'));
    assert.deepEqual([await used('ann'), await used('ben')], [113, 10]);
    const adding = [
      { id: data, sizeBytes: 100 },
      { id: produced, sizeBytes: 8 },
    ];
    assert.equal(await used('ann', adding), 121, 'as if it had these too');
    await finish(store, 'a', [file('x'), file('y')], 9);
    assert.equal(await used('ann'), 113 + 7 + 7 + 5, 'files and logs');
    assert.equal(await store.storage.deleteJob('a'), 'deleted');
    assert.equal(await used('ann'), 113, 'the other job has the inputs too');
    await store.jobs.cancel('b', 10);
    await store.storage.deleteJob('b');
    assert.equal(await used('ann'), 0);
    assert.deepEqual(await store.storage.owners(), ['ben']);
  });

  withStore('what jobs refer to is in use until they are deleted', async (store) => {
    const all = [script, data, requirements, produced, 'e'.repeat(64)];
    await store.jobs.insert(jobWith('a', 'ann', { dataBlob: data, requirementsBlob: requirements }));
    await store.jobs.insert(jobWith('b', 'ben'));
    assert.deepEqual([...(await store.storage.inUse(all))].sort(), [script, data, requirements]);
    await finish(store, 'a', [file('x')], 9);
    assert.deepEqual([...(await store.storage.inUse(all))].sort(), [script, data, requirements, produced]);
    await store.storage.deleteJob('a');
    assert.deepEqual([...(await store.storage.inUse(all))], [script]);
    const many = Array.from({ length: 2_500 }, (_, i) => i.toString(16).padStart(64, '0'));
    assert.deepEqual([...(await store.storage.inUse([...many, script]))], [script]);
    assert.deepEqual([...(await store.storage.known([...many, 'b', 'a']))], ['b']);
  });

  withStore('only ended jobs are deleted, with all that is about them', async (store) => {
    await store.jobs.insert(jobWith('a', 'ann'));
    assert.equal(await store.storage.deleteJob('a'), 'active');
    assert.equal(await store.storage.deleteJob('none'), 'unknown');
    await finish(store, 'a', [file('x')], 9);
    assert.equal((await store.jobs.attempts('a')).length, 1);
    assert.equal(await store.storage.deleteJob('a'), 'deleted');
    assert.equal(await store.jobs.get('a'), undefined);
    assert.deepEqual([await store.jobs.files('a'), await store.jobs.attempts('a')], [[], []]);
    assert.equal(await store.storage.deleteJob('a'), 'unknown');
  });

  withStore('ended jobs are told, the longest ago first', async (store) => {
    for (const [i, id] of ['a', 'b', 'c', 'd'].entries()) {
      await store.jobs.insert(jobWith(id, 'ann'));
      if (id !== 'd') await finish(store, id, [], 100 - i);
    }
    const ids = async (page: { limit: number; beforeMs?: number; withoutNewest?: number }) =>
      (await store.storage.ended('ann', page)).map(({ id }) => id);
    assert.deepEqual(await ids({ limit: 9 }), ['c', 'b', 'a']);
    assert.deepEqual(await ids({ limit: 1 }), ['c']);
    assert.deepEqual(await ids({ limit: 9, beforeMs: 99 }), ['c']);
    assert.deepEqual(await ids({ limit: 9, withoutNewest: 1 }), ['c', 'b']);
    assert.deepEqual(await ids({ limit: 1, withoutNewest: 1 }), ['c']);
    assert.deepEqual(await ids({ limit: 9, withoutNewest: 3 }), []);
    assert.deepEqual(await store.storage.ended('ben', { limit: 9 }), []);
    assert.deepEqual(await store.storage.ended('ann', { limit: 1 }), [{ id: 'c', attempt: 1 }]);
  });

  withStore('files are told by page and one by one; attempts with how they ended', async (store) => {
    await store.jobs.insert(jobWith('a', 'ann'));
    await store.jobs.assign([{ jobId: 'a', worker: 'test-0000' }], 1);
    await store.jobs.requeue('a', 1, 2);
    await store.jobs.assign([{ jobId: 'a', worker: 'test-0000' }], 3);
    const files = ['x', 'y', 'z'].map((path) => file(path));
    await store.jobs.finish('a', 2, { state: 'failed', result: emptyResult, files, nowMs: 9 });
    assert.deepEqual(await store.jobs.files('a', { limit: 2 }), files.slice(0, 2));
    assert.deepEqual(await store.jobs.files('a', { after: 'y', limit: 2 }), files.slice(2));
    assert.deepEqual(await store.jobs.file('a', 'y'), files[1]);
    assert.equal(await store.jobs.file('a', 'w'), undefined);
    assert.deepEqual(await store.jobs.attempts('a'), [
      { number: 1, vmName: 'test-0000', assignedAtMs: 1, outcome: 'requeued' },
      { number: 2, vmName: 'test-0000', assignedAtMs: 3, outcome: 'failed' },
    ]);
  });

  withStore('a request with a key takes effect once', async (store) => {
    const key = { owner: 'ann', key: 'k', requestHash: 'h' };
    const insert = (id: string, once = key) =>
      store.jobs.insertOnce({ ...jobWith(id, 'ann'), createdAtMs: 1_000 }, once);
    const answers = await Promise.all(['a', 'b', 'c'].map((id) => insert(id)));
    assert.deepEqual(answers, [
      { state: 'first', outcome: 'a' },
      { state: 'again', outcome: 'a' },
      { state: 'again', outcome: 'a' },
    ]);
    assert.deepEqual(await insert('d', { ...key, requestHash: 'other' }), { state: 'other' });
    assert.deepEqual(await insert('e', { ...key, owner: 'ben' }), { state: 'first', outcome: 'e' });
    assert.equal((await store.jobs.list({ limit: 9 })).length, 2);
    assert.equal(await store.jobs.countQueued('ann'), 2);
  });

  withStore('keys are forgotten after a day, and the oldest of very many before', async (store) => {
    const key = (one: string) => ({ owner: 'ann', key: one, requestHash: 'h' });
    await store.once.remember(key('old'), 'x', 1_000);
    assert.deepEqual(await store.once.find(key('old'), 1_000 + onceForMs), { state: 'again', outcome: 'x' });
    assert.equal(await store.once.find(key('old'), 1_001 + onceForMs), undefined);
    const again = await store.once.remember(key('old'), 'y', 1_001 + onceForMs);
    assert.deepEqual(again, { state: 'first', outcome: 'y' });
    await store.once.purge(1_002 + onceForMs);
    assert.equal(await store.once.find(key('old'), 1_001 + onceForMs), undefined);
    const many = Array.from({ length: maxOnceKeys + 200 }, (_, i) => store.once.remember(key(`k${i}`), 'x', 2_000 + i));
    await Promise.all(many);
    assert.equal(await store.once.find(key('k0'), 3_000), undefined);
    assert.ok((await store.once.find(key('k500'), 3_000)) !== undefined);
  });
}
