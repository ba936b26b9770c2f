import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { absent, makeFolder, readJson, syncTree, writeFileDurably } from './durable.ts';

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-files-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a file is replaced as a whole, with its mode, and leaves no draft', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'secret');
    await writeFile(path, 'an old one', { mode: 0o644 });
    await writeFileDurably(path, 'new');
    assert.equal(await readFile(path, 'utf8'), 'new');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(folder), ['secret']);
  }));

test('a write that fails leaves the old file, and no draft', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'taken');
    await mkdir(path);
    await assert.rejects(writeFileDurably(path, 'new'));
    assert.deepEqual(await readdir(folder), ['taken']);
  }));

test('a draft that a kill has left goes with a later write to its folder; a young one stays', () =>
  inFolder(async (folder) => {
    const draft = (digit: number): string => join(folder, `x.${`${digit}`.repeat(8)}-0000-4000-8000-000000000000.part`);
    for (const digit of [1, 2]) await writeFile(draft(digit), 'secret');
    const { mtimeMs } = await stat(draft(1));
    await utimes(draft(1), mtimeMs / 1_000 - 700, mtimeMs / 1_000 - 700);
    await writeFile(join(folder, 'my.part'), '');
    await utimes(join(folder, 'my.part'), 0, 0);
    await writeFileDurably(join(folder, 'y'), 'new');
    assert.deepEqual((await readdir(folder)).sort(), ['my.part', draft(2).slice(folder.length + 1), 'y']);
  }));

test('folders are made with those above them, and flushed with what is in them', () =>
  inFolder(async (folder) => {
    await makeFolder(join(folder, 'a', 'b'));
    await makeFolder(join(folder, 'a', 'b'));
    await writeFile(join(folder, 'a', 'b', 'c'), '');
    await syncTree(folder);
    assert.equal((await stat(join(folder, 'a', 'b'))).mode & 0o777, 0o700);
  }));

test('a JSON file that is missing, empty or cut off says nothing', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'x.json');
    assert.equal(await readJson(path), undefined);
    for (const text of ['', '{"a"']) {
      await writeFile(path, text);
      assert.equal(await readJson(path), undefined);
    }
    await writeFile(path, '{"a":1}');
    assert.deepEqual(await readJson(path), { a: 1 });
  }));

test('a look that failed for lack of descriptors, or since the disk fails, does not say that nothing is there', () => {
  const failure = (code: string): Error => Object.assign(new Error(code), { code });
  for (const code of ['ENOENT', 'ENOTDIR', 'EACCES']) assert.equal(absent(failure(code)), undefined);
  for (const code of ['EMFILE', 'ENFILE', 'ENOMEM', 'EIO']) assert.throws(() => absent(failure(code)), { code });
});
