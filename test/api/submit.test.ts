import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { craftZip } from '../../src/archive/craft.fake.ts';
import { inputFiles } from '../../src/jobs/inputs.ts';
import { jobListSchema, jobSchema } from '../../src/protocol/api.ts';
import { until } from '../support/poll.ts';
import { form, openTestApi, script, type TestApi } from './support.ts';

const limitMs = 60_000;
let api: TestApi;
before(async () => {
  api = await openTestApi({ maxUploadBytes: 100_000 });
});
after(() => api[Symbol.asyncDispose]());

const submit = (parts: Parameters<typeof form>[0], headers: Record<string, string> = {}) =>
  api.get('POST', '/jobs', jobSchema, { body: form(parts), headers });
const refuse = (status: number, parts: Parameters<typeof form>[0], headers: Record<string, string> = {}) =>
  api.refused(status, 'POST', '/jobs', { body: form(parts), headers });
const countJobs = async () => (await api.get('GET', '/jobs?limit=200', jobListSchema)).jobs.length;
const zip = (names: Readonly<Record<string, string>>): readonly [string, Buffer] => [
  'p.zip',
  craftZip(Object.entries(names).map(([name, content]) => ({ name, content }))),
];

/** What a worker would find in its working folder. */
async function workFolder(id: string): Promise<Record<string, string>> {
  const { jobs } = api.web.context;
  const spec = (await jobs.store.jobs.get(id))?.spec ?? assert.fail(`no job ${id}`);
  const found: Record<string, string> = {};
  for await (const { path, content } of inputFiles(spec, jobs.blobs, jobs.archives)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    found[path] = Buffer.concat(chunks).toString();
  }
  return found;
}

test('a script with a dataset, requirements and all settings', async () => {
  const spec = {
    name: 'n',
    args: ['a'],
    environment: { A: 'secret' },
    priority: 3,
    labels: { k: 'v' },
    limits: { cpus: 0.5 },
  };
  const requirements = ['requirements.txt', 'numpy==2.0\n'] as const;
  const job = await submit({ spec: JSON.stringify(spec), script, data: zip({ 'd/a.csv': '1' }), requirements });
  assert.deepEqual(
    [job.name, job.args, job.priority, job.labels, job.limits.cpus, job.source, job.entrypoint],
    ['n', ['a'], 3, { k: 'v' }, 0.5, 'script', 'x.py'],
  );
  assert.deepEqual([job.inputBytes.script, job.inputBytes.requirements], [9, 11]);
  assert.ok(!JSON.stringify(job).includes('secret'), 'values of the environment are shown to nobody');
  assert.deepEqual(await workFolder(job.id), { 'x.py': 'print(1)\n', 'data/d/a.csv': '1' });
  const stored = await api.web.context.jobs.store.jobs.get(job.id);
  const { content } = await api.web.context.jobs.blobs.read(stored?.spec.requirementsBlob ?? '');
  for await (const chunk of content) assert.equal(Buffer.from(chunk).toString(), 'numpy==2.0\n');
});

test('a project is unpacked, with the file to run found or named', async () => {
  const project = zip({ 'main.py': 'import lib', 'lib/__init__.py': '', 'lib/run.py': 'x' });
  const job = await submit({ project });
  assert.deepEqual([job.source, job.entrypoint, job.name], ['project', 'main.py', 'main.py']);
  assert.deepEqual(Object.keys(await workFolder(job.id)).sort(), ['lib/__init__.py', 'lib/run.py', 'main.py']);
  const named = await submit({ project, spec: JSON.stringify({ entrypoint: 'lib/run.py' }) });
  assert.equal(named.entrypoint, 'lib/run.py');
  const missing = await refuse(400, { project, spec: JSON.stringify({ entrypoint: 'other.py' }) });
  assert.match(missing.detail, /no such file/);
  assert.match((await refuse(400, { project: zip({ 'a.py': '', 'b.py': '' }) })).detail, /say which of its files/);
  const both = await refuse(400, { project: zip({ 'main.py': '', 'data/x': '' }), data: zip({ y: '' }) });
  assert.match(both.detail, /may not have data/);
  const bad = craftZip([{ name: 'main.py', mode: 0o120777 }]);
  assert.match((await refuse(400, { project: ['p.zip', bad] })).detail, /^the project has "main.py", which is a link/);
});

test('what is too large is refused with the limit and the size, and nothing of it stays', async () => {
  const jobs = await countJobs();
  const before = await listBlobs();
  const data = ['d.zip', Buffer.alloc(100_001)] as const;
  const tooLarge = await refuse(413, { script: ['new.py', 'only here'], data });
  assert.match(
    tooLarge.detail,
    /the part data has more than the allowed 100000 bytes .*the limit is jobs.maxUploadBytes/,
  );
  const { limit, allowed, part, sent } = tooLarge.details;
  assert.deepEqual([limit, allowed, part], ['jobs.maxUploadBytes', 100_000, 'data']);
  assert.ok(Number(sent) > 100_001);
  const long = await refuse(413, { script, requirements: ['r', Buffer.alloc(65_537)] });
  assert.match(long.detail, /requirements has more than the allowed 65536 bytes/);
  const bomb = craftZip([{ name: 'a', content: Buffer.alloc(2 * 1024 ** 2), method: 8 }]);
  assert.match((await refuse(413, { script: ['b.py', 'also only here'], data: ['d.zip', bomb] })).detail, /200 times/);
  const disk = { diskBytes: 1024 ** 2 };
  const unpacked = craftZip([{ name: 'a', content: Buffer.alloc(1_050_000, randomText), method: 8 }]);
  assert.ok(unpacked.length < 100_000);
  const spec = JSON.stringify({ limits: disk });
  assert.match((await refuse(413, { script, spec, data: ['d.zip', unpacked] })).detail, /at most 1048576 are allowed/);
  assert.equal(await countJobs(), jobs);
  assert.deepEqual(await listBlobs(), before);
  assert.deepEqual(await drafts(), []);
});

/** Compresses, but not much. */
const randomText = Array.from({ length: 1_500 }, (_, i) => Math.sin(i).toString(36)).join('');

async function listBlobs(): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of api.web.context.storage.blobs.list()) ids.push(id);
  return ids.sort();
}

/** What of uploads is being written now; some blob must be there. */
async function drafts(): Promise<string[]> {
  const { blobs } = api.web.context.storage;
  const [some = ''] = await listBlobs();
  return readdir(join(dirname(dirname(await blobs.path(some))), 'tmp'));
}

test('forms that are not right are refused in words', async () => {
  const words = async (parts: Parameters<typeof form>[0]) => (await refuse(400, parts)).detail;
  assert.match(await words({}), /the part script is missing/);
  assert.match(await words({ script, project: zip({ 'main.py': '' }) }), /not both/);
  assert.match(await words({ script: 'text' }), /no part named "script"/);
  assert.match(await words({ script, other: 'x' }), /no part named "other"/);
  assert.match(await words({ script, spec: '{' }), /its part spec is not JSON/);
  assert.match(await words({ script, spec: '{"prio": 1}' }), /prio/);
  assert.match(await words({ script, spec: '{"runtime": "java"}' }), /there is no runtime "java"; there are: python/);
  assert.match(await words({ script: ['-x.py', 'x'] }), /cannot be used: it begins with a dash/);
  assert.equal(
    (await submit({ script: ['../../x.py', 'x'] })).entrypoint,
    'x.py',
    'folders of the sender do not count',
  );
  const twice = form({ script });
  twice.append('script', new Blob(['y']), 'y.py');
  assert.match((await api.refused(400, 'POST', '/jobs', { body: twice })).detail, /sent twice/);
  const json = { body: '{}', headers: { 'content-type': 'application/json' } };
  assert.match((await api.refused(400, 'POST', '/jobs', json)).detail, /multipart/);
  const broken = { body: '--x\r\nbroken', headers: { 'content-type': 'multipart/form-data; boundary=x' } };
  await api.refused(400, 'POST', '/jobs', broken);
});

test('an upload that breaks off leaves nothing', async () => {
  const before = await listBlobs();
  const jobs = await countJobs();
  const leaving = new AbortController();
  const body = new ReadableStream({
    start(controller) {
      const head = '--x\r\ncontent-disposition: form-data; name="script"; filename="x.py"\r\n\r\n';
      controller.enqueue(Buffer.from(`${head}half of a scr`));
    },
  });
  const headers = { 'content-type': 'multipart/form-data; boundary=x' };
  const asked = api.ask('POST', '/jobs', { body, headers, signal: leaving.signal });
  const rejected = assert.rejects(asked);
  const isWriting = (wanted: boolean) => until(drafts, (there) => there.length > 0 === wanted, limitMs);
  await isWriting(true);
  leaving.abort();
  await rejected;
  // The server learns of it a moment later.
  await isWriting(false);
  assert.deepEqual(await listBlobs(), before);
  assert.equal(await countJobs(), jobs);
});

test('with an Idempotency-Key a submission takes effect once', async () => {
  const parts = { script, spec: '{"name":"once"}' };
  const key = { 'idempotency-key': 'my-key' };
  const jobs = await countJobs();
  const all = await Promise.all([submit(parts, key), submit(parts, key), submit(parts, key)]);
  assert.equal(new Set(all.map(({ id }) => id)).size, 1);
  assert.equal(await countJobs(), jobs + 1);
  const other = await refuse(409, { script, spec: '{"name":"twice"}' }, key);
  assert.match(other.detail, /another request/);
  assert.match((await refuse(409, { script: ['x.py', 'other'], spec: '{"name":"once"}' }, key)).detail, /another/);
  assert.match((await refuse(400, parts, { 'idempotency-key': 'a b' })).detail, /255/);
  const [first] = all;
  const rerun = () =>
    api.get('POST', `/jobs/${first?.id}/rerun`, jobSchema, { headers: { 'idempotency-key': 'again' } });
  assert.equal((await rerun()).id, (await rerun()).id);
  await api.refused(409, 'POST', `/jobs/${first?.id}/rerun`, { headers: key });
  await api.get('POST', `/jobs/${first?.id}/cancel`, jobSchema);
  assert.equal((await api.ask('DELETE', `/jobs/${first?.id}`)).status, 204);
  assert.match((await refuse(409, parts, key)).detail, /has been deleted/);
});
