import assert from 'node:assert/strict';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { TidepoolError } from '../../src/domain/errors.ts';
import { sortableId } from '../../src/domain/id.ts';
import { emptyResult } from '../../src/domain/job.ts';
import type { StorageRules } from '../../src/domain/storage.ts';
import { unlimitedStorage } from '../../src/domain/storage.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { jobListSchema, jobSchema } from '../../src/protocol/api.ts';
import { deployedSchema } from '../../src/protocol/services.ts';
import { keepStorage } from '../../src/storage/keep.ts';
import { graceMs, sweepStorage } from '../../src/storage/sweep.ts';
import { withUpload } from '../../src/storage/upload.ts';
import { form, openTestApi, script, type TestApi } from './support.ts';

let api: TestApi;
let limits: { stored: number; retention: StorageRules['retention'] };
before(async () => {
  limits = { stored: Number.POSITIVE_INFINITY, retention: unlimitedStorage.retention };
  const storageRules: StorageRules = {
    maxStoredBytes: () => limits.stored,
    get retention() {
      return limits.retention;
    },
  };
  api = await openTestApi({ storageRules, maxUploadBytes: 1_000_000 });
});
after(() => api[Symbol.asyncDispose]());

const storage = () => api.web.context.storage;
const clock = () => api.web.accounts.clock;
const submit = (name: string, content: string) =>
  api.get('POST', '/jobs', jobSchema, { body: form({ script: [name, content] }) });
const jobIds = async () => (await api.get('GET', '/jobs?limit=200', jobListSchema)).jobs.map(({ id }) => id);

async function blobIds(): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { id } of storage().blobs.list()) ids.add(id);
  return ids;
}

async function end(id: string): Promise<void> {
  const { store } = api.web.context.jobs;
  await store.jobs.assign([{ jobId: id, worker: 'test-0000' }], clock().now());
  const done = await store.jobs.finish(id, 1, {
    state: 'succeeded',
    result: emptyResult,
    files: [],
    nowMs: clock().now(),
  });
  assert.ok(done);
}

const scriptOf = async (id: string): Promise<string> =>
  (await api.web.context.jobs.store.jobs.get(id))?.spec.scriptBlob ?? assert.fail(`no job ${id}`);

test('what nobody refers to is swept after the grace, and nothing else', async () => {
  const job = await submit('x.py', 'kept by a job');
  const { id: stray } = await storage().blobs.put(Readable.from([Buffer.from('stray')]), 9);
  const service = form({ spec: '{"name":"svc","protocol":"udp"}', file: ['app.py', 'def handler(request): return 2'] });
  await api.get('POST', '/services', deployedSchema, { body: service });
  await sweepStorage(storage());
  assert.ok((await blobIds()).has(stray), 'too young');
  await clock().advance(graceMs + 1);
  const done = await sweepStorage(storage());
  assert.deepEqual([done.blobs, done.bytes], [1, 5]);
  const left = await blobIds();
  assert.deepEqual([left.has(stray), left.has(await scriptOf(job.id)), left.size], [false, true, 2]);
  await end(job.id);
  assert.equal((await api.ask('DELETE', `/jobs/${job.id}`)).status, 204);
  assert.equal((await sweepStorage(storage())).blobs, 1);
  assert.equal((await blobIds()).size, 1, "the service's file");
});

test('the same content, submitted while it is swept again and again, is always there', async () => {
  const { runtimes } = api.web.context.jobs;
  const { names } = runtimes;
  const { blobs } = storage();
  // Slow submissions and slow removals, for one to come into the other.
  const moment = () => new Promise((resolve) => setTimeout(resolve, 10));
  Object.assign(runtimes, { names: () => moment().then(names) });
  const remove: typeof blobs.remove = async (...given) => {
    const isRemoved = await blobs.remove(...given);
    await moment();
    return isRemoved;
  };
  const sweeping = new AbortController();
  const sweeps = (async () => {
    while (!sweeping.signal.aborted) {
      // As if every blob were old: what protects them is being held, and being referred to.
      const later = { ...clock(), now: () => clock().now() + graceMs } as never;
      await sweepStorage({ ...storage(), blobs: { ...blobs, remove }, clock: later });
    }
  })();
  for (let round = 0; round < 15; round += 1) {
    const jobs = await Promise.all(Array.from({ length: 4 }, (_, i) => submit('same.py', `round ${round} ${i % 2}`)));
    for (const { id } of jobs) await storage().blobs.path(await scriptOf(id));
    const [first] = jobs;
    const again = await api.get('POST', `/jobs/${first?.id}/rerun`, jobSchema);
    for (const { id } of [...jobs, again]) {
      await end(id);
      await api.ask('DELETE', `/jobs/${id}`);
    }
  }
  sweeping.abort();
  await sweeps;
  Object.assign(runtimes, { names });
});

test('an upload in progress is not swept however long it takes, and leaves nothing when it fails', async () => {
  let blob = '';
  await withUpload(storage(), async (blobs) => {
    blob = (await blobs.put(Readable.from([Buffer.from('slow')]), 9)).id;
    await clock().advance(10 * graceMs);
    await sweepStorage(storage());
    assert.ok((await blobIds()).has(blob));
  });
  await clock().advance(graceMs + 1);
  await sweepStorage(storage());
  assert.ok(!(await blobIds()).has(blob), 'nobody wrote down that it is needed');
  const failed = withUpload(storage(), async (blobs) => {
    blob = (await blobs.put(Readable.from([Buffer.from('refused')]), 9)).id;
    throw new RangeError('no');
  });
  await assert.rejects(failed, RangeError);
  assert.ok(!(await blobIds()).has(blob));
});

test('what a failed upload left goes, but not what somebody else needs by then', async () => {
  const context = storage();
  let other: string | undefined;
  const blobs: typeof context.blobs = {
    ...context.blobs,
    async remove(id, unchangedSinceMs) {
      // The first takes as long as somebody's whole submission.
      if (other === undefined) {
        other = '';
        other = (await submit('x.py', 'of both')).id;
      }
      return context.blobs.remove(id, unchangedSinceMs);
    },
  };
  const failed = withUpload({ ...context, blobs }, async (upload) => {
    for (const text of ['of one', 'of both']) await upload.put(Readable.from([Buffer.from(text)]), 9);
    throw new RangeError('no');
  });
  await assert.rejects(failed, RangeError);
  assert.ok((await blobIds()).has(await scriptOf(other ?? '')));
});

test('logs of jobs that are not there are swept', async () => {
  const { logs } = storage();
  const job = await submit('x.py', 'with a log');
  await logs.append(job.id, 1, Buffer.from('kept'));
  await logs.append('nobody', 1, Buffer.from('left by a crash'));
  const old = new Date(clock().now() - 2 * graceMs);
  const folder = join((await storage().blobs.path(await scriptOf(job.id))).split('/blobs/')[0] ?? '', 'logs');
  for (const id of [job.id, 'nobody']) await utimes(join(folder, `${id}-1.frames`), old, old);
  assert.equal((await sweepStorage(storage())).logs, 1);
  assert.deepEqual([await logs.size('nobody', 1), await logs.size(job.id, 1)], [0, 4]);
});

test('a submission beyond what a user may keep is refused with the numbers', async () => {
  await deleteAll();
  const job = await submit('x.py', 'x'.repeat(100));
  limits.stored = 150;
  const refused = await api.refused(429, 'POST', '/jobs', { body: form({ script: ['y.py', 'y'.repeat(51)] }) });
  assert.match(refused.detail, /^ann's jobs keep 100 bytes of 150 that are allowed, and 51 more were sent/);
  assert.deepEqual(refused.details, { limit: 'maxStoredBytes', allowed: 150, used: 100, asked: 51 });
  assert.equal((await submit('again.py', 'x'.repeat(100))).state, 'queued', 'the same content costs nothing');
  await submit('y.py', 'y'.repeat(50));
  limits.stored = 100;
  const before = await blobIds();
  const full = await api.refused(429, 'POST', '/jobs', { body: form({ script: [...script] }) });
  assert.match(full.detail, /^ann's jobs keep 150 bytes of 100 that are allowed; delete jobs/);
  assert.deepEqual(await blobIds(), before);
  await api.refused(429, 'POST', `/jobs/${job.id}/rerun`);
  limits.stored = Number.POSITIVE_INFINITY;
});

test('ended jobs go by their age, by their number, by their size', async () => {
  await deleteAll();
  const ids: string[] = [];
  for (let n = 0; n < 6; n += 1) {
    const { id } = await submit(`${n}.py`, String(n).repeat(100));
    ids.push(id);
    await clock().advance(1_000);
    if (n < 5) await end(id);
  }
  const newestFirst = ids.toReversed();
  const kept = async (change: Partial<StorageRules['retention']>) => {
    limits.retention = { ...unlimitedStorage.retention, ...change };
    await keepStorage(storage());
    return jobIds();
  };
  assert.deepEqual(await kept({}), newestFirst);
  assert.deepEqual(await kept({ maxAgeMs: 4_500 }), newestFirst.slice(0, 5), 'the one that ended 5 s ago');
  assert.deepEqual(await kept({ maxJobs: 3 }), newestFirst.slice(0, 4), 'the queued one and three others');
  assert.deepEqual(await kept({ maxBytes: 250 }), newestFirst.slice(0, 2));
  assert.deepEqual(await kept({ maxBytes: 0 }), newestFirst.slice(0, 1), 'what has not ended stays');
  limits.retention = unlimitedStorage.retention;
});

test('retention goes on when a job is deleted at the same time, or cannot be deleted', async () => {
  await deleteAll();
  const ids: string[] = [];
  for (const name of ['a.py', 'b.py', 'c.py']) {
    const { id } = await submit(name, name);
    await end(id);
    ids.push(id);
  }
  const [gone = '', stuck = ''] = ids;
  const lines: string[] = [];
  const { store } = storage();
  const deleteJob = async (id: string) => {
    if (id === stuck) throw new TidepoolError('unavailable', 'the disk cannot be read');
    const done = await store.storage.deleteJob(id);
    return id === gone ? 'unknown' : done;
  };
  const faulty = { ...store, storage: { ...store.storage, deleteJob } };
  limits.retention = { ...unlimitedStorage.retention, maxJobs: 0 };
  await keepStorage({ ...storage(), store: faulty, log: (line) => lines.push(line) });
  assert.deepEqual(await jobIds(), [stuck]);
  assert.match(lines.join('; '), /removing ended jobs of ann: the disk cannot be read/);
  await keepStorage(storage());
  assert.deepEqual(await jobIds(), [], 'the next run does it');
  limits.retention = unlimitedStorage.retention;
});

test('a repeated request gets its answer, also when the quota has been used up since', async () => {
  await deleteAll();
  const headers = { 'idempotency-key': 'answer-was-lost' };
  const send = () => api.get('POST', '/jobs', jobSchema, { body: form({ script: ['x.py', 'x = 1'] }), headers });
  const first = await send();
  const again = { headers: { 'idempotency-key': 'rerun-answer-was-lost' } };
  const rerun = () => api.get('POST', `/jobs/${first.id}/rerun`, jobSchema, again);
  const second = await rerun();
  limits.stored = 0;
  const files = await blobIds();
  const { reserve } = storage();
  const full = async (): Promise<never> => {
    throw new TidepoolError('exhausted', 'the disk is full');
  };
  const checkRoom = reserve.checkRoom.bind(reserve);
  Object.assign(reserve, { checkRoom: full });
  assert.equal((await send()).id, first.id, 'also without any room for the files');
  await api.refused(409, 'POST', '/jobs', { body: form({ script: ['x.py', 'x = 2'] }), headers });
  assert.deepEqual(await blobIds(), files);
  Object.assign(reserve, { checkRoom });
  assert.equal((await send()).id, first.id);
  assert.equal((await rerun()).id, second.id);
  await api.refused(429, 'POST', '/jobs', { body: form({ script: ['y.py', 'y = 1'] }) });
  limits.stored = Number.POSITIVE_INFINITY;
  await api.ask('POST', `/jobs/${first.id}/cancel`);
  assert.equal((await api.ask('DELETE', `/jobs/${first.id}`)).status, 204);
  assert.equal((await rerun()).id, second.id, 'the job that was run again is gone');
});

test('jobs keep the order in which they were submitted when the clock is set back', async () => {
  await deleteAll();
  const before = (await submit('x.py', 'x')).id;
  clock().jump(-3_600_000);
  const after = (await submit('y.py', 'y')).id;
  clock().jump(3_600_000);
  assert.ok(after > before);
  assert.deepEqual(await jobIds(), [after, before]);
});

test('a job of a far future, or of a clock before 1970, gives the next ones no ids of its time', async () => {
  await deleteAll();
  const random = new Uint8Array(10);
  const time = (id: string) => id.slice(0, 6);
  const aheadMs = clock().now() + 3_600_000;
  clock().jump(-aheadMs);
  const ids = [(await submit('0.py', '0')).id];
  clock().jump(aheadMs);
  assert.match(ids.join(), /^0/, 'a negative time does not sort after all others');
  const wrong = sortableId(clock().now() + 10 * 366 * 86_400_000, random);
  await api.web.context.jobs.store.jobs.insert(queuedJob({ id: wrong, owner: 'ann' }));
  for (const name of ['a.py', 'b.py', 'c.py']) {
    const { id } = await submit(name, name);
    assert.equal(time(id), time(sortableId(clock().now(), random)), 'its time is that of the clock');
    ids.unshift(id);
  }
  assert.deepEqual(await jobIds(), [wrong, ...ids], 'all others are in their order');
});

async function deleteAll(): Promise<void> {
  for (const id of await jobIds()) {
    await api.ask('POST', `/jobs/${id}/cancel`);
    assert.equal((await api.ask('DELETE', `/jobs/${id}`)).status, 204);
  }
}
