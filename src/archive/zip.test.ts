import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ZipFile } from 'yazl';
import { defaultDatasetLimits } from '../domain/dataset.ts';
import { hasCode, toTidepoolError } from '../domain/errors.ts';
import { zipReader } from './zip.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidepool-zip-'));
});
after(() => rm(folder, { recursive: true }));

async function zipOf(fill: (zip: ZipFile) => void, patch?: (bytes: Buffer) => void): Promise<string> {
  const zip = new ZipFile();
  fill(zip);
  zip.end();
  const chunks: Buffer[] = [];
  for await (const chunk of zip.outputStream) chunks.push(Buffer.from(chunk as Uint8Array));
  const bytes = Buffer.concat(chunks);
  patch?.(bytes);
  const path = join(folder, `${Math.floor(performance.now() * 1e6)}.zip`);
  await writeFile(path, bytes);
  return path;
}

/** Names that yazl would refuse to write are put in afterwards, byte for byte. */
function rename(from: string, to: string): (bytes: Buffer) => void {
  return (bytes) => {
    for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) bytes.write(to, at, 'latin1');
  };
}

async function refusal(path: string, limits = defaultDatasetLimits): Promise<string> {
  try {
    await zipReader.check(path, limits);
  } catch (error) {
    const { code, message } = toTidepoolError(error);
    return `${code}: ${message}`;
  }
  return 'accepted';
}

test('a good archive is read back file by file', async () => {
  const path = await zipOf((zip) => {
    zip.addEmptyDirectory('empty');
    zip.addBuffer(Buffer.from('a,b\n'), 'x/y.csv');
    zip.addBuffer(Buffer.alloc(100_000), 'zeros.bin');
  });
  assert.deepEqual(await zipReader.check(path, defaultDatasetLimits), { files: 2, sizeBytes: 100_004 });
  const seen: string[] = [];
  for await (const file of zipReader.files(path)) {
    let size = 0;
    for await (const chunk of file.content) size += chunk.length;
    assert.equal(size, file.size);
    seen.push(file.path);
  }
  assert.deepEqual(seen, ['x/y.csv', 'zeros.bin']);
});

test('names that leave the folder, or hide, are refused', async () => {
  const cases: [string, string][] = [
    ['aa/secret', '../secret'],
    ['aetc/passwd', '/etc/passwd'],
    ['aa/aa/b', 'x/../../'.slice(0, 7)],
    ['aa', 'a\u0000'],
    ['aa', 'a\n'],
  ];
  for (const [from, to] of cases) {
    const path = await zipOf((zip) => zip.addBuffer(Buffer.from('x'), from), rename(from, to));
    assert.match(await refusal(path), /^invalid: the dataset /, JSON.stringify(to));
  }
});

test('links and devices are refused by their mode bits', async () => {
  for (const mode of [0o120777, 0o020666, 0o060666, 0o010666, 0o140777]) {
    // yazl writes plain files only: the mode goes in afterwards, into the central directory's external attributes.
    const path = await zipOf(
      (zip) => zip.addBuffer(Buffer.from('/etc/passwd'), 'link', { mode: 0o100777 }),
      (bytes) => bytes.writeUInt16LE(mode, bytes.indexOf('PK\u0001\u0002') + 40),
    );
    assert.match(await refusal(path), /a link or a device/);
  }
});

test('count, size and ratio are limited, and the message names the limit', async () => {
  const many = await zipOf((zip) => {
    for (let i = 0; i < 11; i += 1) zip.addBuffer(Buffer.from('x'), `f${i}`);
  });
  assert.match(await refusal(many, { ...defaultDatasetLimits, maxFiles: 10 }), /^too_large: .*more than 10 files/);
  const big = await zipOf((zip) => zip.addBuffer(Buffer.alloc(5_000), 'big', { compress: false }));
  assert.match(await refusal(big, { ...defaultDatasetLimits, maxBytes: 4_000 }), /^too_large: .*more than 4000 bytes/);
  const bomb = await zipOf((zip) => zip.addBuffer(Buffer.alloc(20 * 1024 * 1024), 'bomb'));
  assert.match(await refusal(bomb), /^too_large: .*more than 200 times/);
});

test('a size that lies is found out while inflating', async () => {
  const path = await zipOf(
    (zip) => zip.addBuffer(Buffer.alloc(50_000, 'ab'), 'liar'),
    (bytes) => bytes.writeUInt32LE(10, bytes.indexOf('PK\u0001\u0002') + 24),
  );
  assert.match(await refusal(path), /^invalid: /);
});

test('damage, two files of one name, a file that is a folder too: refused', async () => {
  const damaged = await zipOf(
    (zip) => zip.addBuffer(Buffer.from('hello hello'), 'a', { compress: false }),
    (bytes) => bytes.write('J', bytes.indexOf('hello')),
  );
  assert.match(await refusal(damaged), /wrong checksum/);
  const twice = await zipOf(
    (zip) => {
      zip.addBuffer(Buffer.from('1'), 'one');
      zip.addBuffer(Buffer.from('2'), 'two');
    },
    rename('two', 'one'),
  );
  assert.match(await refusal(twice), /two files named/);
  const both = await zipOf((zip) => {
    zip.addBuffer(Buffer.from('1'), 'ab');
    zip.addBuffer(Buffer.from('2'), 'ab/c');
  });
  assert.match(await refusal(both), /both as a file and as a folder/);
});

test('what is no archive is refused with a plain sentence', async () => {
  const text = join(folder, 'text.zip');
  await writeFile(text, 'this is not a zip file at all, but it is long enough to look for one');
  assert.match(await refusal(text), /^invalid: the dataset is not a ZIP archive/);
  const good = await zipOf((zip) => zip.addBuffer(Buffer.alloc(10_000, 'x'), 'a', { compress: false }));
  const cut = join(folder, 'cut.zip');
  await writeFile(cut, (await readFile(good)).subarray(0, 6_000));
  await assert.rejects(zipReader.check(cut, defaultDatasetLimits), (error) => hasCode(error, 'invalid'));
});
