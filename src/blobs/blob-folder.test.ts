import assert from 'node:assert/strict';
import fs, { mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkBlob } from '../domain/blob-store.ts';
import { hasCode } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { openBlobFolder } from './blob-folder.ts';
import { openLogFolder } from './log-folder.ts';

const clock = new FakeClock();

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-blobs-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

test('a blob is its content: same bytes, same id, once on disk', () =>
  inFolder(async (folder) => {
    const blobs = await openBlobFolder(folder, clock);
    const one = await blobs.put(chunks('ab', 'c'), 10);
    const two = await blobs.put(chunks('abc'), 10);
    assert.deepEqual(one, two);
    assert.equal(one.id, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    assert.equal(await readFile(await blobs.path(one.id), 'utf8'), 'abc');
    assert.equal((await readdir(join(folder, 'ba'))).length, 1);
  }));

test('a blob over its limit, or of a broken source, leaves nothing', () =>
  inFolder(async (folder) => {
    const blobs = await openBlobFolder(folder, clock);
    await assert.rejects(blobs.put(chunks('abc'), 2), (error) => hasCode(error, 'too_large'));
    const broken = (async function* () {
      yield Buffer.from('a');
      throw new Error('cut');
    })();
    await assert.rejects(blobs.put(broken, 10), /cut/);
    assert.deepEqual(await readdir(join(folder, 'tmp')), []);
  }));

test('what a crash left half-written is swept, and strange ids are not paths', () =>
  inFolder(async (folder) => {
    await openBlobFolder(folder, clock);
    await writeFile(join(folder, 'tmp', 'draft'), 'half');
    const blobs = await openBlobFolder(folder, clock);
    assert.deepEqual(await readdir(join(folder, 'tmp')), []);
    for (const id of ['../../etc/passwd', '', 'a'.repeat(64)]) {
      await assert.rejects(blobs.read(id), (error) => hasCode(error, 'not_found'));
    }
  }));

test('a folder among the drafts of a crash does not stop the start', () =>
  inFolder(async (folder) => {
    await mkdir(join(folder, 'tmp', 'strange', 'inner'), { recursive: true });
    await openBlobFolder(folder, clock);
    assert.deepEqual(await readdir(join(folder, 'tmp')), []);
  }));

test('a file in the place of a folder of blobs, and folders in the place of files, do not hide the others', () =>
  inFolder(async (folder) => {
    const logged: string[] = [];
    const blobs = await openBlobFolder(folder, clock, (line) => logged.push(line));
    const { id } = await blobs.put(chunks('abc'), 10);
    for (const name of ['00', 'bb', 'ff']) await writeFile(join(folder, name), 'no folder');
    await mkdir(join(folder, 'cc', 'c'.repeat(64)), { recursive: true });
    assert.deepEqual(
      (await all(blobs.list())).map((blob) => blob.id),
      [id],
    );
    assert.equal(logged.length, 3);
    assert.match(logged.sort()[0] ?? '', /^the blobs in .*\/00 are left out, since it cannot be listed: ENOTDIR/);
    const logs = await openLogFolder(folder);
    await mkdir(join(folder, 'job-1.frames'));
    assert.deepEqual(await all(logs.list()), []);
  }));

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of source) found.push(one);
  return found;
}

const text = async (content: AsyncIterable<Uint8Array>): Promise<string> =>
  Buffer.concat(await all(content)).toString();

test('a part of a blob is read', () =>
  inFolder(async (folder) => {
    const blobs = await openBlobFolder(folder, clock);
    const { id } = await blobs.put(chunks('0123456789'), 10);
    const { sizeBytes, content } = await blobs.read(id, { start: 2, end: 4 });
    assert.deepEqual([sizeBytes, await text(content)], [10, '234']);
  }));

test('a blob that is not what its id says breaks off, and putting its content again heals it', () =>
  inFolder(async (folder) => {
    const blobs = await openBlobFolder(folder, clock);
    const { id } = await blobs.put(chunks('0123456789'), 10);
    const path = await blobs.path(id);
    const damage = [() => truncate(path, 0), () => truncate(path, 5), () => writeFile(path, '012345678X')];
    for (const hurt of damage) {
      await hurt();
      await assert.rejects(
        checkBlob(blobs, id),
        (error) => hasCode(error, 'internal') && error.details.damagedBlob === id && error.message.includes(id),
      );
      await blobs.put(chunks('0123456789'), 10);
      await checkBlob(blobs, id);
      assert.equal(await text((await blobs.read(id)).content), '0123456789');
    }
  }));

test('a folder that cannot be read says nothing of what is in it', () =>
  inFolder(async (folder) => {
    const [blobFolder, logFolder] = [join(folder, 'blobs'), join(folder, 'logs')];
    const blobs = await openBlobFolder(blobFolder, clock);
    const logs = await openLogFolder(logFolder);
    const { id } = await blobs.put(chunks('abc'), 10);
    await logs.append('j', 1, Buffer.from('abc'));
    for (const name of [blobFolder, logFolder]) await rename(name, `${name}.away`);
    const looks = [() => blobs.read(id), () => blobs.path(id), () => blobs.hold().keep(id)];
    for (const look of looks) await assert.rejects(look, (error) => hasCode(error, 'unavailable'));
    await assert.rejects(logs.size('j', 1), /ENOENT/);
    await assert.rejects(logs.read('j', 1, 0, 10), /ENOENT/);
    for (const name of [blobFolder, logFolder]) await rename(`${name}.away`, name);
    await checkBlob(blobs, id);
    assert.equal(await logs.size('j', 1), 3);
  }));

test('blobs are listed and removed; not those that are held or came back', () =>
  inFolder(async (folder) => {
    const blobs = await openBlobFolder(folder, clock);
    const nowMs = clock.now();
    const { id: one } = await blobs.put(chunks('one'), 9);
    const hold = blobs.hold();
    const { id: two } = await hold.put(chunks('two'), 9);
    assert.deepEqual(await hold.keep(one), { id: one, sizeBytes: 3 });
    const listed = (await all(blobs.list())).map(({ id, sizeBytes }) => [id, sizeBytes]);
    assert.deepEqual(
      listed.sort(),
      [
        [one, 3],
        [two, 3],
      ].sort(),
    );
    for (const id of [one, two]) assert.equal(await blobs.remove(id, nowMs), false, 'held');
    hold[Symbol.dispose]();
    assert.equal(await blobs.remove(one, nowMs - 1), false, 'put after that');
    assert.equal(await blobs.remove(one, nowMs), true);
    assert.equal(await blobs.remove(one, nowMs), false, 'gone');
    await assert.rejects(blobs.hold().keep(one), (error) => hasCode(error, 'not_found'));
    await clock.advance(5_000);
    await blobs.put(chunks('two'), 9);
    assert.equal(await blobs.remove(two, nowMs), false, 'the same content came again');
    await clock.advance(5_000);
    const later = blobs.hold();
    await later.keep(two);
    later[Symbol.dispose]();
    assert.equal(await blobs.remove(two, nowMs + 5_000), false, 'kept again');
    assert.equal(await blobs.remove(two, nowMs + 10_000), true);
  }));

test('of a blob that is put and removed at the same time, what was held is there', () =>
  inFolder(async (folder) => {
    const blobs = await openBlobFolder(folder, clock);
    const nowMs = clock.now();
    const { id } = await blobs.put(chunks('x'), 1);
    let removals = 0;
    for (let round = 0; round < 200; round += 1) {
      using hold = blobs.hold();
      const early = round % 2 === 0 ? blobs.remove(id, nowMs) : undefined;
      const putting = hold.put(chunks('x'), 1);
      const late = blobs.remove(id, nowMs);
      await putting;
      for (const removal of [early, late]) removals += Number((await removal) === true);
      assert.equal(await text((await blobs.read(id)).content), 'x');
    }
    assert.ok(removals > 0, 'some removals came through');
  }));

test('logs are listed and removed', () =>
  inFolder(async (folder) => {
    const logs = await openLogFolder(folder);
    await logs.append('a-b', 12, Buffer.from('x'));
    await logs.append('c', 1, Buffer.from('y'));
    const listed = (await all(logs.list())).map(({ jobId, attempt }) => [jobId, attempt]);
    assert.deepEqual(listed.sort(), [
      ['a-b', 12],
      ['c', 1],
    ]);
    await logs.remove('c', 1);
    await logs.remove('c', 1);
    assert.equal(await logs.size('c', 1), 0);
  }));

test('a log is appended to and read from any offset', () =>
  inFolder(async (folder) => {
    const logs = await openLogFolder(folder);
    assert.equal(await logs.size('j', 1), 0);
    assert.equal((await logs.read('j', 1, 0, 10)).length, 0);
    await logs.append('j', 1, Buffer.from('hello '));
    await logs.append('j', 1, Buffer.from('world'));
    await logs.sync('j', 1);
    assert.equal(await logs.size('j', 1), 11);
    assert.equal(Buffer.from(await logs.read('j', 1, 6, 3)).toString(), 'wor');
    assert.equal((await logs.read('j', 1, 11, 3)).length, 0);
    assert.equal(await logs.size('j', 2), 0);
    assert.throws(
      () => logs.size('../x', 1),
      (error) => hasCode(error, 'not_found'),
    );
  }));

test('the name of a new file is flushed with the folder that it is new in: a new shard, and a new log', () =>
  inFolder(async (folder) => {
    const blobs = await openBlobFolder(join(folder, 'blobs'), clock);
    const logs = await openLogFolder(join(folder, 'logs'));
    const flushed: string[] = [];
    const { open } = fs;
    Object.assign(fs, {
      open: async (...args: Parameters<typeof open>) => {
        const handle = await open(...args);
        const { sync } = handle;
        handle.sync = async () => {
          flushed.push(String(args[0]).slice(folder.length + 1));
          await sync.call(handle);
        };
        return handle;
      },
    });
    syncBuiltinESMExports();
    try {
      const { id } = await blobs.put(chunks('abc'), 10);
      assert.ok(flushed.includes(`blobs/${id.slice(0, 2)}`), `the blob in its shard: ${flushed}`);
      assert.ok(flushed.includes('blobs'), `the shard in the folder of all: ${flushed}`);
      await logs.append('job', 1, Buffer.from('x'));
      await logs.sync('job', 1);
      assert.ok(flushed.includes('logs'), `the log in its folder: ${flushed}`);
    } finally {
      Object.assign(fs, { open });
      syncBuiltinESMExports();
    }
  }));
