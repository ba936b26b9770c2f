import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { zipReader } from '../../src/archive/zip.ts';
import { ApiClient } from '../../src/cli/client.ts';
import { JobClient } from '../../src/cli/job-client.ts';
import { defaultArchiveLimits } from '../../src/domain/archive.ts';
import { emptyResult } from '../../src/domain/job.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { encodeFrame } from '../../src/protocol/output-frames.ts';
import { openTestWeb, type TestWeb } from '../accounts/server.ts';
import { addTestUser, openTestAccounts, sessionOf } from '../accounts/support.ts';
import { type CommandResult, startTidepool, temporaryFolder } from '../support/server.ts';

let web: TestWeb;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let token = '';
const hostile = 'evil\u001b]0;title\u0007\u009b2Jname';

before(async () => {
  web = await openTestWeb(await openTestAccounts(), { maxUploadBytes: 10_000_000 });
  await addTestUser(web.accounts, 'ann');
  token = await sessionOf(web.accounts, 'ann');
  folder = await temporaryFolder('job-cli');
  const { store, blobs, logs } = web.context.jobs;
  await store.jobs.insert(queuedJob({ id: 'done', owner: 'ann', spec: { ...queuedJob().spec, name: hostile } }));
  await store.jobs.assign([{ jobId: 'done', worker: 'test-0000' }], 1_000);
  await logs.append('done', 1, encodeFrame({ stream: 'stdout', atMs: 1, data: Buffer.from('out\u001b[2J\n') }));
  await logs.append('done', 1, encodeFrame({ stream: 'stderr', atMs: 1, data: Buffer.from('err\n') }));
  const { id: blob, sizeBytes } = await blobs.put(Readable.from([Buffer.from('content')]), 99);
  const files = ['a.txt', 'sub/b.txt'].map((path) => ({ path, sizeBytes, blob }));
  const result = { ...emptyResult, exitCode: 3, message: `it says ${hostile}` };
  await store.jobs.finish('done', 1, { state: 'failed', result, files, nowMs: 9_000 });
});
after(async () => {
  await web[Symbol.asyncDispose]();
  await folder.remove();
});

/** `./tidepool ARGS` as ann. */
function run(...args: string[]): Promise<CommandResult> {
  Object.assign(process.env, { TIDEPOOL_URL: web.url, TIDEPOOL_TOKEN: token });
  return startTidepool('', args, undefined).done;
}

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

test('what a stranger named is shown without control characters, and whole in JSON', async () => {
  for (const args of [
    ['job', 'list'],
    ['job', 'show', 'done'],
  ]) {
    const text = await ok(...args);
    assert.ok(!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(text), JSON.stringify(text));
    assert.match(text, /evil\?\]0;title\?/);
  }
  const text = await ok('job', 'list', '--json');
  assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(text));
  assert.equal(JSON.parse(text)[0].name, hostile);
});

test('logs that are piped are as they were written', async () => {
  const { stdout, stderr } = await run('job', 'logs', 'done');
  assert.deepEqual([stdout, stderr], ['out\u001b[2J\n', 'err\n']);
  const from = `1:${11 + 8}`;
  assert.equal((await run('job', 'logs', 'done', '--from', from, '--follow')).stdout, '');
});

test('files are listed, and brought one by one, all, or as an archive', async () => {
  assert.match(await ok('job', 'files', 'done'), /a\.txt +7 B\nsub\/b\.txt +7 B/);
  const out = join(folder.path, 'out');
  await ok('job', 'download', 'done', 'sub/b.txt', '--out', out);
  assert.equal(await readFile(join(out, 'sub/b.txt'), 'utf8'), 'content');
  await assert.rejects(readFile(join(out, 'a.txt')));
  const zip = join(folder.path, 'all.zip');
  await ok('job', 'download', 'done', '--zip', zip);
  const { files } = await zipReader.check(zip, defaultArchiveLimits, 'it');
  assert.deepEqual([...files], ['done/a.txt', 'done/sub/b.txt']);
  const missing = await run('job', 'download', 'done', 'none', '--out', out);
  assert.deepEqual([missing.code, missing.stderr], [66, 'tidepool: job done has no file "none"\n']);
});

test('a project is a folder: packed without what is of no use, and left to itself', async () => {
  const project = join(folder.path, 'project');
  for (const name of ['lib', '__pycache__', '.git']) await mkdir(join(project, name), { recursive: true });
  for (const name of ['start.py', 'lib/x.py', '__pycache__/x.pyc', '.git/config', 'requirements.txt'])
    await writeFile(join(project, name), 'x = 1\n');
  const requirements = join(project, 'requirements.txt');
  const args = ['run', project, '--entry', 'start.py', '--requirements', requirements, '--detach', '--label', 'k=v'];
  const id = (await ok(...args)).trim();
  const job = await web.context.jobs.store.jobs.get(id);
  assert.deepEqual([job?.spec.source, job?.spec.entrypoint], ['project', 'start.py']);
  const path = await web.context.jobs.blobs.path(job?.spec.scriptBlob ?? '');
  const { files } = await zipReader.check(path, defaultArchiveLimits, 'it');
  assert.deepEqual([...files].sort(), ['lib/x.py', 'requirements.txt', 'start.py']);
  assert.match(await ok('job', 'show', id), /project \d+ B, requirements 6 B/);
  const again = (await ok('job', 'rerun', id)).trim();
  const first = await run('job', 'list', '--limit', '1', '--state', 'queued');
  assert.match(first.stdout, new RegExp(`${again}|${id}`));
  const cursor = /--cursor (\S+)/.exec(first.stderr)?.[1] ?? assert.fail(first.stderr);
  assert.match(await ok('job', 'list', '--limit', '1', '--state', 'queued', '--cursor', cursor), /start\.py/);
  assert.equal(JSON.parse(await ok('job', 'list', '--limit', '1', '--all', '--json')).length, 3);
  assert.match(await ok('job', 'cancel', '--all', '--label', 'k=v'), /2 cancelled/);
  assert.equal(await ok('job', 'delete', id, again), `${id}: deleted\n${again}: deleted\n`);
  assert.equal((await run('job', 'show', id)).code, 66);
});

test('a submission whose answer is lost is sent again, and is one job', async () => {
  const script = join(folder.path, 'x.py');
  await writeFile(script, 'print(1)');
  let submissions = 0;
  // A proxy that passes everything on, and breaks off before the first two answers.
  const proxy = createServer((incoming, outgoing) => {
    const onward = request(new URL(incoming.url ?? '', web.url), {
      method: incoming.method,
      headers: incoming.headers,
    });
    onward.on('response', (answer) => {
      submissions += 1;
      if (submissions <= 2) return incoming.socket.destroy();
      outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  proxy.listen(0, '127.0.0.1');
  await new Promise((resolve) => proxy.once('listening', resolve));
  try {
    const { port } = proxy.address() as { port: number };
    const client = new JobClient(new ApiClient({ url: `http://127.0.0.1:${port}`, token }));
    const before = (await web.context.jobs.store.jobs.list({ limit: 100 })).length;
    const job = await client.submit({}, { script }, async () => undefined);
    assert.equal(submissions, 3);
    const all = await web.context.jobs.store.jobs.list({ limit: 100 });
    assert.deepEqual([all.length, all[0]?.id === job.id || all.some(({ id }) => id === job.id)], [before + 1, true]);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});
