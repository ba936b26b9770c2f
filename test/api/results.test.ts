import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { zipReader } from '../../src/archive/zip.ts';
import { defaultArchiveLimits } from '../../src/domain/archive.ts';
import { emptyResult } from '../../src/domain/job.ts';
import { queuedJob } from '../../src/fake/job.ts';
import {
  attemptListSchema,
  eventListSchema,
  jobFilesSchema,
  jobListSchema,
  jobSchema,
} from '../../src/protocol/api.ts';
import { encodeFrame, type OutputStream } from '../../src/protocol/output-frames.ts';
import { temporaryFolder } from '../support/server.ts';
import { openTestApi, type TestApi } from './support.ts';

let api: TestApi;
const page = '<script>alert(1)</script>';
const files = { 'page.html': page, 'sub/ü %41 (1).txt': 'umlaut', 'a:b': 'colon', empty: '' };

before(async () => {
  api = await openTestApi();
  const { store, blobs } = api.web.context.jobs;
  await store.jobs.insert(queuedJob({ id: 'job', owner: 'ann' }));
  await store.jobs.assign([{ jobId: 'job', worker: 'test-0000' }], 1_000);
  const kept = await Promise.all(
    Object.entries(files).map(async ([path, text]) => {
      const { id: blob, sizeBytes } = await blobs.put(Readable.from([Buffer.from(text)]), 1_000);
      return { path, sizeBytes, blob };
    }),
  );
  const result = { ...emptyResult, exitCode: 3, peakMemoryBytes: 7, cpuMs: 5, wallMs: 6, limitsHit: ['output'] };
  await store.jobs.finish('job', 1, { state: 'failed', result, files: kept, nowMs: 9_000 });
});
after(() => api[Symbol.asyncDispose]());

const fileAt = (path: string) => `/jobs/job/files/${path.split('/').map(encodeURIComponent).join('/')}`;
const download = (path: string, headers: Record<string, string> = {}) => api.ask('GET', fileAt(path), { headers });

test('how a job ended comes with its evidence, and its attempts', async () => {
  const job = await api.get('GET', '/jobs/job', jobSchema);
  assert.deepEqual(
    [job.state, job.ended, job.exitCode, job.peakMemoryBytes, job.cpuMs, job.wallMs, job.limitsHit],
    ['failed', true, 3, 7, 5, 6, ['output']],
  );
  const { attempts } = await api.get('GET', '/jobs/job/attempts', attemptListSchema);
  assert.deepEqual(attempts, [{ number: 1, vm: 'test-0000', assignedAtMs: 1_000, outcome: 'failed' }]);
});

test('files are listed by page, and each is there under its name', async () => {
  const names = Object.keys(files).sort();
  const first = await api.get('GET', '/jobs/job/files?limit=3', jobFilesSchema);
  assert.equal(first.nextCursor, first.files.at(-1)?.path);
  const cursor = encodeURIComponent(first.nextCursor ?? '');
  const second = await api.get('GET', `/jobs/job/files?limit=3&cursor=${cursor}`, jobFilesSchema);
  assert.equal(second.nextCursor, null);
  assert.deepEqual([...first.files, ...second.files].map(({ path }) => path).sort(), names);
  for (const [path, text] of Object.entries(files)) assert.equal(await (await download(path)).text(), text, path);
  await api.refused(404, 'GET', fileAt('other'));
  await api.refused(404, 'GET', '/jobs/job/files/..%2f..%2fetc%2fpasswd');
});

test('what a stranger made is an attachment that no browser shows', async () => {
  for (const path of [fileAt('page.html'), '/jobs/job/archive', '/jobs/job/output']) {
    const { headers, status } = await api.ask('GET', path);
    assert.equal(status, 200);
    assert.match(headers.get('content-type') ?? '', /^application\/(octet-stream|zip)$/);
    assert.match(headers.get('content-disposition') ?? '', /^attachment; filename\*=UTF-8''[\w.%-]+$/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('content-security-policy'), "sandbox; default-src 'none'");
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
  }
  const named = (await download('sub/ü %41 (1).txt')).headers.get('content-disposition');
  assert.equal(named, "attachment; filename*=UTF-8''%C3%BC%20%2541%20%281%29.txt");
});

test('a part of a file, again from where a download broke off, or not again', async () => {
  const whole = await download('page.html');
  const tag = whole.headers.get('etag') ?? '';
  assert.deepEqual([whole.status, whole.headers.get('accept-ranges')], [200, 'bytes']);
  assert.equal(whole.headers.get('content-length'), String(page.length));
  const part = await download('page.html', { range: 'bytes=8-', 'if-range': tag });
  assert.equal(part.status, 206);
  assert.equal(part.headers.get('content-range'), `bytes 8-${page.length - 1}/${page.length}`);
  assert.equal(await part.text(), page.slice(8));
  assert.equal(await (await download('page.html', { range: 'bytes=-9' })).text(), page.slice(-9));
  const changed = await download('page.html', { range: 'bytes=8-', 'if-range': '"other"' });
  assert.deepEqual([changed.status, await changed.text()], [200, page]);
  const beyond = await api.ask('GET', fileAt('page.html'), { headers: { range: 'bytes=999-' } });
  assert.deepEqual([beyond.status, beyond.headers.get('content-range')], [416, `bytes */${page.length}`]);
  const known = await download('page.html', { 'if-none-match': tag });
  assert.deepEqual([known.status, await known.text()], [304, '']);
  await api.refused(416, 'GET', fileAt('empty'), { headers: { range: 'bytes=0-' } });
});

test('all files as one archive', async () => {
  const folder = await temporaryFolder('archive');
  try {
    const path = join(folder.path, 'a.zip');
    const response = await api.ask('GET', '/jobs/job/archive');
    await writeFile(path, Buffer.from(await response.arrayBuffer()));
    const { files: names } = await zipReader.check(path, defaultArchiveLimits, 'it');
    assert.deepEqual(
      [...names].sort(),
      Object.keys(files)
        .map((name) => `job/${name}`)
        .sort(),
    );
  } finally {
    await folder.remove();
  }
});

test('output is there as it was written: by stream, by attempt, from any offset', async () => {
  const { store, logs } = api.web.context.jobs;
  await store.jobs.insert(queuedJob({ id: 'out', owner: 'ann', state: 'running', attempt: 2 }));
  const frame = (stream: OutputStream, text: string) => encodeFrame({ stream, atMs: 1, data: Buffer.from(text) });
  const first = frame('stdout', 'one\u001b[2J');
  await logs.append('out', 1, frame('stdout', 'lost'));
  await logs.append('out', 2, Buffer.concat([first, frame('stderr', 'two'), frame('notice', 'ours')]));
  const text = async (query: string) => (await api.ask('GET', `/jobs/out/output${query}`)).text();
  assert.equal(await text(''), 'one\u001b[2Jtwo');
  assert.equal(await text('?stream=stdout'), 'one\u001b[2J');
  assert.equal(await text('?stream=stderr'), 'two');
  assert.equal(await text('?attempt=1'), 'lost');
  assert.equal(await text('?attempt=9'), '');
  const events = async (query: string, headers: Record<string, string> = {}) =>
    (await (await api.ask('GET', `/jobs/out/logs${query}`, { headers })).text()).match(/^(event|id): .*/gm);
  const all = ['event: output', `id: 2:${first.length}`];
  assert.deepEqual((await events(''))?.slice(0, 2), all);
  const later = await events(`?from=2:${first.length}`);
  assert.equal(later?.filter((line) => line === 'event: output').length, 2);
  assert.deepEqual(await events('', { 'last-event-id': `2:${first.length}` }), later);
  await api.refused(400, 'GET', '/jobs/out/logs?from=2:1');
  await api.refused(400, 'GET', '/jobs/out/logs?from=x');
});

test('who follows a job that prints nothing is connected at once', async () => {
  await api.web.context.jobs.store.jobs.insert(queuedJob({ id: 'mute', owner: 'ann', state: 'running', attempt: 1 }));
  const leaving = new AbortController();
  for (const query of ['', '&from=8:1']) {
    const response = await api.ask('GET', `/jobs/mute/logs?follow=true${query}`, { signal: leaving.signal });
    assert.equal(response.status, 200);
  }
  leaving.abort();
});

test('a log that ends within a frame, as after a crash, is given up to there', async () => {
  const { store, logs } = api.web.context.jobs;
  await store.jobs.insert(queuedJob({ id: 'cut', owner: 'ann', state: 'running', attempt: 1 }));
  const frame = encodeFrame({ stream: 'stdout', atMs: 1, data: Buffer.from('whole') });
  await logs.append('cut', 1, Buffer.concat([frame, frame.subarray(0, 13)]));
  assert.equal(await (await api.ask('GET', '/jobs/cut/output')).text(), 'whole');
  const text = await (await api.ask('GET', '/jobs/cut/logs')).text();
  assert.equal(text.match(/event: output/g)?.length, 1);
});

test('lists go on to their end, and no further', async () => {
  const ids: string[] = [];
  let cursor: string | null = null;
  let pages = 0;
  do {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const one: { jobs: { id: string }[]; nextCursor: string | null } = await api.get(
      'GET',
      `/jobs?limit=1${query}`,
      jobListSchema,
    );
    ids.push(...one.jobs.map(({ id }) => id));
    cursor = one.nextCursor;
    pages += 1;
  } while (cursor !== null);
  assert.deepEqual([ids, pages], [['out', 'mute', 'job', 'cut'].sort().reverse(), 4]);
  const { events } = api.web.context.jobs.store;
  for (let n = 0; n < 5; n += 1)
    await events.append({ atMs: n, name: 'vm.launched', pool: 'p', vm: null, text: `${n}`, data: {} });
  const last = await api.get('GET', '/events?limit=3', eventListSchema);
  assert.deepEqual(
    last.events.map(({ text }) => text),
    ['2', '3', '4'],
  );
  const before = await api.get('GET', `/events?limit=3&cursor=${last.nextCursor}`, eventListSchema);
  assert.deepEqual([before.events.map(({ text }) => text), before.nextCursor], [['0', '1'], null]);
});

test('events are listed and followed by pool and by name', async () => {
  const { events } = api.web.context.jobs.store;
  const event = { atMs: 1, vm: null, data: {} };
  await events.append({ ...event, name: 'pool.decision', pool: 'chosen', text: 'decided' });
  const failed = await events.append({ ...event, name: 'vm.failed', pool: 'chosen', text: 'failed' });
  await events.append({ ...event, name: 'vm.failed', pool: 'other', text: 'elsewhere' });
  const texts = async (query: string) =>
    (await api.get('GET', `/events?${query}`, eventListSchema)).events.map(({ text }) => text);
  assert.deepEqual(await texts('pool=chosen'), ['decided', 'failed']);
  assert.deepEqual(await texts('name=vm.failed,alert.raised'), ['failed', 'elsewhere']);
  assert.deepEqual(await texts('name=vm.failed&pool=chosen'), ['failed']);
  await api.refused(400, 'GET', '/events?name=vm.nonsense');

  const stream = await api.ask('GET', `/events/stream?pool=chosen&name=vm.failed&after=${failed.id - 2}`);
  const reader = (stream.body ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader();
  let told = '';
  // It comes in pieces, and one may end within an event.
  while (!/^data: .*\n\n/m.test(told)) told += (await reader.read()).value ?? assert.fail(told);
  await reader.cancel();
  assert.match(told, /^: following\n\n(event|id): .*"text":"failed"/s);
});

test('a job is deleted with its files and log when it has ended, and only then', async () => {
  const { store, logs } = api.web.context.jobs;
  await store.jobs.insert(queuedJob({ id: 'gone', owner: 'ann' }));
  assert.match((await api.refused(409, 'DELETE', '/jobs/gone')).detail, /cancel it first/);
  await store.jobs.assign([{ jobId: 'gone', worker: 'test-0000' }], 1);
  await logs.append('gone', 1, Buffer.from('x'));
  await store.jobs.finish('gone', 1, { state: 'failed', result: emptyResult, files: [], nowMs: 2 });
  assert.equal((await api.ask('DELETE', '/jobs/gone')).status, 204);
  assert.equal(await logs.size('gone', 1), 0);
  for (const path of ['', '/files', '/logs', '/output', '/archive', '/attempts'])
    await api.refused(404, 'GET', `/jobs/gone${path}`);
  await api.refused(404, 'DELETE', '/jobs/gone');
});

test('a log of 100 MB in one line needs no memory to speak of', async () => {
  const { store, logs } = api.web.context.jobs;
  await store.jobs.insert(queuedJob({ id: 'long', owner: 'ann', state: 'succeeded', attempt: 1 }));
  const frame = encodeFrame({ stream: 'stdout', atMs: 1, data: Buffer.alloc(64 * 1024, 'x') });
  const written = createHash('sha256');
  const chunk = Buffer.concat(Array.from({ length: 16 }, () => frame));
  for (let n = 0; n < 100; n += 1) {
    await logs.append('long', 1, chunk);
    written.update(Buffer.alloc(1024 ** 2, 'x'));
  }
  const expected = written.digest('hex');
  global.gc?.();
  const before = process.memoryUsage().rss;
  let most = 0;
  for (const path of ['output', 'logs']) {
    const read = createHash('sha256');
    const body = (await api.ask('GET', `/jobs/long/${path}`)).body ?? assert.fail('no body');
    let bytes = 0;
    for await (const part of body) {
      bytes += part.length;
      read.update(part);
      most = Math.max(most, process.memoryUsage().rss - before);
    }
    if (path === 'output') assert.equal(read.digest('hex'), expected);
    else assert.ok(bytes > 100 * 1024 ** 2 * 1.3);
  }
  assert.ok(most < 150 * 1024 ** 2, `${most} bytes more`);
});

test('a damaged log gives what is readable, and says what is damaged from which byte on', async () => {
  const { store, logs } = api.web.context.jobs;
  const frame = encodeFrame({ stream: 'stdout', atMs: 1, data: Buffer.from('whole') });
  const noFrame = Buffer.alloc(frame.length, 0xff);
  const damages = {
    begin: { log: [noFrame, frame], from: 0 },
    middle: { log: [frame, frame, noFrame, frame], from: 2 * frame.length },
    end: { log: [frame, frame.subarray(0, 13)], from: frame.length },
  };
  for (const [id, { log, from }] of Object.entries(damages)) {
    await store.jobs.insert(queuedJob({ id, owner: 'ann', state: 'succeeded', attempt: 1, endedAtMs: 1 }));
    await logs.append(id, 1, Buffer.concat(log));
    for (const query of ['', '?follow=true', `?from=1:${from}`]) {
      const response = await api.ask('GET', `/jobs/${id}/logs${query}`);
      assert.equal(response.status, 200, id);
      const text = await response.text();
      const data = JSON.parse(/event: damaged\ndata: (.*)/.exec(text)?.[1] ?? '{}');
      assert.deepEqual([data.attempt, data.atByte], [1, from], `${id} ${query}`);
      assert.match(data.message, new RegExp(`attempt 1 of job ${id} is damaged from byte ${from} on`));
      assert.equal(text.match(/event: damaged/g)?.length, 1);
      assert.match(text, /event: end/);
      // What is readable, and the notice.
      const readable = query.includes('from') ? 0 : from / frame.length;
      assert.equal(text.match(/event: output/g)?.length, readable + 1);
    }
  }
  await api.refused(400, 'GET', '/jobs/middle/logs?from=1:5');
  const cut = await api.ask('GET', '/jobs/middle/output').then((response) => response.text().catch(() => 'cut off'));
  assert.equal(cut, 'cut off');
});
