import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { type ArchiveFile, defaultArchiveLimits } from '../domain/archive.ts';
import { TidepoolError } from '../domain/errors.ts';
import { zipReader } from './zip.ts';
import { writeZip } from './zip-writer.ts';

const fileOf = (path: string, content: string, onOpen: () => void = () => undefined): ArchiveFile => ({
  path,
  sizeBytes: Buffer.byteLength(content),
  async open() {
    onOpen();
    return (async function* () {
      yield Buffer.from(content);
    })();
  },
});

test('what is written is read back; files are opened one after the other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-zip-writer-'));
  try {
    const opened: string[] = [];
    const files = ['j/a.txt', 'j/sub/ü b', 'j/empty'].map((path) =>
      fileOf(path, path.endsWith('empty') ? '' : path, () => opened.push(path)),
    );
    const path = join(folder, 'out.zip');
    await writeFile(path, await buffer(writeZip(files, 1_780_000_000_000)));
    assert.deepEqual(opened, ['j/a.txt', 'j/sub/ü b', 'j/empty']);
    const facts = await zipReader.check(path, defaultArchiveLimits, 'it');
    assert.deepEqual([...facts.files], opened);
    for await (const { path: name, content } of zipReader.files(path)) {
      const text = (await buffer(content)).toString();
      assert.equal(text, name.endsWith('empty') ? '' : name);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a file that cannot be opened, or ends early, breaks the archive off', async () => {
  const gone: ArchiveFile = {
    path: 'a',
    sizeBytes: 1,
    open: () => Promise.reject(new TidepoolError('not_found', 'gone')),
  };
  await assert.rejects(buffer(writeZip([fileOf('x', 'x'), gone], 0)), /gone/);
  const short = { ...fileOf('a', 'abc'), sizeBytes: 4 };
  await assert.rejects(buffer(writeZip([short], 0)));
});

test('who stops reading lets go of the file', async () => {
  const closed = Promise.withResolvers<void>();
  const endless: ArchiveFile = {
    path: 'a',
    sizeBytes: Number.MAX_SAFE_INTEGER,
    async open() {
      return (async function* () {
        try {
          for (;;) yield Buffer.alloc(65_536);
        } finally {
          closed.resolve();
        }
      })();
    },
  };
  const archive = writeZip([endless], 0);
  await new Promise((resolve) => archive.once('readable', resolve));
  archive.destroy();
  await closed.promise;
});
