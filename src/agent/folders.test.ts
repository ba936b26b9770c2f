import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chdir, cwd, getgid, getuid } from 'node:process';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { encodeFiles } from '../protocol/file-stream.ts';
import { listProduced, maxProducedFiles, openProduced } from './produced-files.ts';
import { removeTree } from './remove-tree.ts';
import { unpackFiles } from './unpack.ts';

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-agent-'));
  try {
    await body(folder);
  } finally {
    await removeTree(folder);
    await assert.rejects(stat(folder));
  }
}

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  if (text !== '') yield Buffer.from(text);
}

function stream(files: Readonly<Record<string, string>>): AsyncIterable<Uint8Array> {
  return encodeFiles(
    Object.entries(files).map(([path, text]) => ({ path, size: Buffer.byteLength(text), content: bytes(text) })),
  );
}

const limits = { owner: getuid?.() ?? 0, maxBytes: 1_000_000, maxFiles: 10 };

test('inputs are unpacked with their folders, and ./out is made', async () => {
  await inFolder(async (folder) => {
    assert.equal(
      getuid?.() === 0 || getuid?.() === getgid?.(),
      true,
      'files are given to a user and group of one number',
    );
    const paths = await unpackFiles(stream({ 'x.py': 'print()', 'data/a/b.txt': '' }), { folder, ...limits });
    assert.deepEqual([...paths], ['x.py', 'data/a/b.txt']);
    assert.equal(await readFile(join(folder, 'x.py'), 'utf8'), 'print()');
    assert.ok((await stat(join(folder, 'out'))).isDirectory());
  });
});

test('too much, one name twice, and a file that is also a folder are refused', async () => {
  const refused = async (files: AsyncIterable<Uint8Array>, code: 'too_large' | 'invalid' | 'aborted'): Promise<void> =>
    inFolder(async (folder) => {
      await assert.rejects(unpackFiles(files, { folder, ...limits, maxBytes: 20_000, maxFiles: 3 }), (error) =>
        hasCode(error, code),
      );
    });
  await refused(stream({ a: 'x'.repeat(30_000) }), 'too_large');
  await refused(stream({ a: '1', b: '2', c: '3', d: '4' }), 'too_large');
  await refused(stream({ a: '1', 'a/b': '2' }), 'invalid');
  await refused(stream({ 'a/b': '1', a: '2' }), 'invalid');
  await refused(bytes('{"path":"a","size":1}\nx{"path":"a","size":1}\nx{"end":true,"files":2}\n'), 'invalid');
  await refused(bytes('{"path":"../a","size":1}\nx'), 'invalid');
  await refused(bytes('{"path":"a","size":5}\nx'), 'aborted');
});

test('only regular files of ./out are listed, sorted; the rest is named', async () => {
  await inFolder(async (folder) => {
    await mkdir(join(folder, 'out/sub'), { recursive: true });
    await writeFile(join(folder, 'out/b'), 'bb');
    await writeFile(join(folder, 'out/sub/a'), 'a');
    await writeFile(join(folder, 'outside'), 'no');
    await symlink('../outside', join(folder, 'out/link'));
    await symlink('..', join(folder, 'out/up'));
    await writeFile(join(folder, 'out/sparse'), '');
    await truncate(join(folder, 'out/sparse'), 10_000);
    const { files, notice } = await listProduced(folder, 5_000);
    assert.deepEqual(files, [
      { path: 'b', size: 2 },
      { path: 'sub/a', size: 1 },
    ]);
    assert.match(notice, /"out\/link" \(a link\)/);
    assert.match(notice, /"out\/up" \(a link\)/);
    assert.match(notice, /"out\/sparse" \(larger than the disk limit\)/);
    const contents: string[] = [];
    for await (const file of openProduced(folder, files)) {
      for await (const chunk of file.content) contents.push(Buffer.from(chunk).toString());
    }
    assert.deepEqual(contents, ['bb', 'a']);
  });
});

test('a link that took the place of a listed file is not followed', async () => {
  await inFolder(async (folder) => {
    await mkdir(join(folder, 'out'));
    await writeFile(join(folder, 'secret'), 'secret');
    await symlink('../secret', join(folder, 'out/a'));
    const read = async (): Promise<void> => {
      for await (const file of openProduced(folder, [{ path: 'a', size: 6 }])) for await (const _chunk of file.content);
    };
    await assert.rejects(read(), { code: 'ELOOP' });
  });
});

test('./out that is missing, a file or a link gives no files', async () => {
  for (const make of [undefined, writeFile, (path: string) => symlink('/', path)]) {
    await inFolder(async (folder) => {
      await make?.(join(folder, 'out'), '');
      assert.deepEqual((await listProduced(folder, 1_000)).files, []);
    });
  }
});

test('more files than the limit are left out', async () => {
  await inFolder(async (folder) => {
    mkdirSync(join(folder, 'out'));
    for (let i = 0; i < maxProducedFiles + 3; i += 1) writeFileSync(join(folder, 'out', String(i)), '');
    const { files, notice } = await listProduced(folder, 1_000);
    assert.equal(files.length, maxProducedFiles);
    assert.match(notice, /more than 10000 files/);
  });
});

test('folders nested deeper than any path, and odd names, are removed; what links lead to is not', async () => {
  const outside = await mkdtemp(join(tmpdir(), 'tidepool-outside-'));
  const here = cwd();
  try {
    await writeFile(join(outside, 'keep'), 'keep');
    await inFolder(async (folder) => {
      const top = join(folder, 'work');
      mkdirSync(top);
      await symlink(outside, join(top, 'link'));
      writeFileSync(Buffer.concat([Buffer.from(`${top}/`), Buffer.from([0xff, 0x0a])]), '');
      chdir(top);
      for (let depth = 0; depth < 60; depth += 1) {
        mkdirSync('a'.repeat(200));
        chdir('a'.repeat(200));
      }
      writeFileSync('bottom', '');
      chdir(here);
      await removeTree(top);
      assert.deepEqual(await readdir(folder), []);
    });
    assert.deepEqual(await readdir(outside), ['keep']);
  } finally {
    chdir(here);
    await rm(outside, { recursive: true });
  }
});
