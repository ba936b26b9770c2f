import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { openBlobFolder } from './blob-folder.ts';
import { openLogFolder } from './log-folder.ts';

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
    const blobs = await openBlobFolder(folder);
    const one = await blobs.put(chunks('ab', 'c'), 10);
    const two = await blobs.put(chunks('abc'), 10);
    assert.deepEqual(one, two);
    assert.equal(one.id, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    assert.equal(await readFile(await blobs.path(one.id), 'utf8'), 'abc');
    assert.equal((await readdir(join(folder, 'ba'))).length, 1);
  }));

test('a blob over its limit, or of a broken source, leaves nothing', () =>
  inFolder(async (folder) => {
    const blobs = await openBlobFolder(folder);
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
    await openBlobFolder(folder);
    await writeFile(join(folder, 'tmp', 'draft'), 'half');
    const blobs = await openBlobFolder(folder);
    assert.deepEqual(await readdir(join(folder, 'tmp')), []);
    for (const id of ['../../etc/passwd', '', 'a'.repeat(64)]) {
      await assert.rejects(blobs.read(id), (error) => hasCode(error, 'not_found'));
    }
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
