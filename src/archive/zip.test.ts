import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ZipFile } from 'yazl';
import { type ArchiveLimits, defaultArchiveLimits } from '../domain/archive.ts';
import { toTidepoolError } from '../domain/errors.ts';
import { type CraftedFile, craftZip } from './craft.fake.ts';
import { zipReader } from './zip.ts';

let folder = '';
let archives = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidepool-zip-'));
});
after(() => rm(folder, { recursive: true }));

async function fileOf(bytes: Buffer): Promise<string> {
  archives += 1;
  const path = join(folder, `${archives}.zip`);
  await writeFile(path, bytes);
  return path;
}

/** By a program that writes archives as they should be. */
async function honestZip(fill: (zip: ZipFile) => void): Promise<string> {
  const zip = new ZipFile();
  fill(zip);
  zip.end();
  const chunks: Buffer[] = [];
  for await (const chunk of zip.outputStream) chunks.push(Buffer.from(chunk as Uint8Array));
  return fileOf(Buffer.concat(chunks));
}

/** `code: message`, or `accepted`. */
async function verdict(path: string, limits: Partial<ArchiveLimits> = {}): Promise<string> {
  try {
    await zipReader.check(path, { ...defaultArchiveLimits, ...limits }, 'the dataset');
    return 'accepted';
  } catch (error) {
    const { code, message } = toTidepoolError(error);
    return `${code}: ${message}`;
  }
}

async function crafted(files: readonly CraftedFile[], limits: Partial<ArchiveLimits> = {}): Promise<string> {
  return verdict(await fileOf(craftZip(files)), limits);
}

test('a good archive is read back file by file', async () => {
  const path = await honestZip((zip) => {
    zip.addEmptyDirectory('empty');
    zip.addBuffer(Buffer.from('a,b\n'), 'x/y.csv');
    zip.addBuffer(Buffer.alloc(100_000), 'x/zeros.bin');
  });
  const facts = await zipReader.check(path, defaultArchiveLimits, 'the dataset');
  assert.deepEqual(facts, { files: new Set(['x/y.csv', 'x/zeros.bin']), sizeBytes: 100_004 });
  const seen: string[] = [];
  for await (const file of zipReader.files(path)) {
    let size = 0;
    for await (const chunk of file.content) size += chunk.length;
    assert.equal(size, file.size);
    seen.push(file.path);
  }
  assert.deepEqual(seen, ['x/y.csv', 'x/zeros.bin']);
});

test('what other programs write is taken: no mode, DOS, folders twice, data behind its file', async () => {
  const files = [
    { name: 'd/', mode: 0o040755 },
    { name: 'd/' },
    { name: 'd/a', content: 'x', madeBy: 0 },
    { name: 'd/b', content: 'x', mode: 0o100600, method: 8 },
  ];
  assert.equal(await crafted(files), 'accepted');
});

test('names that leave the folder, or hide what they are, are refused', async () => {
  const names = ['../a', '/etc/passwd', 'a/../../b', 'C:/a', '..\\a', 'a//b', './a', 'a\u0000', 'a\nb', 'a\u001b[2J'];
  names.push('a\u007f', 'a\u009b2J', 'a\u202egpj.exe', '', 'x'.repeat(300), `${'d/'.repeat(600)}a`);
  for (const name of names) assert.match(await crafted([{ name }]), /^invalid: the dataset /, JSON.stringify(name));
  for (const name of ['../d/', 'a\u0007/']) assert.match(await crafted([{ name }]), /^invalid: the dataset /);
});

test('links and devices are refused by their mode bits, whatever system is named', async () => {
  for (const mode of [0o120777, 0o020666, 0o060666, 0o010666, 0o140777, 0o040755]) {
    for (const madeBy of [3 << 8, 19 << 8, 0, 10 << 8]) {
      const file = { name: 'link', content: '/etc/passwd', mode, madeBy };
      assert.match(await crafted([file]), /^invalid: .*"link", which is a link or a device/);
    }
  }
  assert.match(await crafted([{ name: 'folder/', mode: 0o120777 }]), /a link or a device/);
  assert.match(await crafted([{ name: 'folder/', content: 'x' }]), /a folder with content/);
});

test('names that are one on some system are refused', async () => {
  const pairs = [
    ['a', 'a', 'two files named "a"'],
    ['README', 'readme', 'two names that are one on other systems: "readme" and "README"'],
    ['\u00e9', 'e\u0301', 'two names that are one'],
    ['stra\u00dfe', 'STRASSE', 'two names that are one'],
    ['d/x', 'D/y', 'two names that are one on other systems: "D" and "d"'],
    ['ab', 'ab/c', '"ab" both as a file and as a folder'],
    ['ab/c', 'ab', '"ab" both as a file and as a folder'],
    ['ab/', 'ab', '"ab" both as a file and as a folder'],
  ] as const;
  for (const [one, two, words] of pairs) {
    const answer = await crafted([{ name: one }, { name: two }]);
    assert.ok(answer.startsWith('invalid: ') && answer.includes(words), `${one} ${two}: ${answer}`);
  }
});

test('count, size and ratio are limited; the message names limit and size', async () => {
  const many = Array.from({ length: 11 }, (_, i) => ({ name: `f${i}`, content: 'x' }));
  assert.match(
    await crafted(many, { maxFiles: 10 }),
    /^too_large: .*has 11 files or folders, or more; at most 10 of each/,
  );
  assert.equal(await crafted(many, { maxFiles: 11 }), 'accepted');
  const deep = [{ name: `${'d/'.repeat(11)}a` }];
  assert.match(await crafted(deep, { maxFiles: 10 }), /^too_large: .*11 files or folders/);
  const claimed = await fileOf(craftZip([{ name: 'a' }], 60_000));
  assert.match(await verdict(claimed), /^too_large: .*has 60000 files/);
  const big = [{ name: 'big', content: Buffer.alloc(5_000) }];
  assert.match(await crafted(big, { maxBytes: 4_000 }), /^too_large: .*unpacks to 5000 bytes; at most 4000/);
  const bomb = [{ name: 'bomb', content: Buffer.alloc(20 * 1024 ** 2), method: 8 }];
  assert.match(
    await crafted(bomb),
    /^too_large: .*"bomb", which unpacks from \d+ to 20971520 bytes; at most 200 times/,
  );
  const small = Array.from({ length: 40 }, (_, i) => ({ name: `${i}`, content: Buffer.alloc(1024 ** 2), method: 8 }));
  assert.match(await crafted(small), /^too_large: the dataset unpacks from \d+ to 41943040 bytes/, 'all together');
});

test('files that overlap are refused before any is unpacked', async () => {
  const content = Buffer.alloc(100_000, 'abc');
  const twice = [
    { name: 'a', content, method: 8 },
    { name: 'a', content, method: 8, headerAt: 0 },
  ];
  assert.match(await crafted(twice), /two files named "a"/);
  // The second file's packed bytes begin with the header of the third: each of many can hold all that come after it.
  const inner = craftZip([{ name: 'in', content }]).subarray(0, 30 + 2 + content.length);
  const nested = [
    { name: 'out', content: inner, method: 0 },
    { name: 'in', content, headerAt: 30 + 3 },
  ];
  assert.match(await crafted(nested), /^invalid: the dataset has files that overlap/);
  const intoDirectory = [{ name: 'a', content: 'x', sizeBytes: 60, packed: Buffer.from('x') }];
  const bytes = craftZip(intoDirectory);
  bytes.writeUInt32LE(60, bytes.indexOf('PK\u0001\u0002') + 20);
  assert.match(await verdict(await fileOf(bytes)), /^invalid: the dataset has files that overlap/);
});

test('sizes and sums that lie are found out', async () => {
  const content = Buffer.alloc(50_000, 'ab');
  for (const sizeBytes of [10, 49_999, 50_001, 4_000_000])
    assert.match(await crafted([{ name: 'liar', content, method: 8, sizeBytes }]), /^(invalid|too_large): /);
  assert.match(await crafted([{ name: 'a', content, sum: 7 }]), /^invalid: .*wrong checksum/);
  assert.match(await crafted([{ name: 'a', content, sum: 7, method: 8 }]), /^invalid: .*wrong checksum/);
  assert.match(await crafted([{ name: 'a', content, packed: Buffer.from('no'), method: 8 }]), /^invalid: /);
  assert.match(await crafted([{ name: 'a', localName: 'b' }]), /two headers do not give the same name/);
  assert.match(await crafted([{ name: 'a', content, flags: 0x801, method: 8 }]), /^invalid: .*encrypted/);
  assert.match(await crafted([{ name: 'a', content, method: 12 }]), /another method than deflate/);
});

test('what is no archive is refused with a plain sentence', async () => {
  const good = craftZip([{ name: 'a', content: Buffer.alloc(10_000, 'x') }]);
  const texts = [Buffer.alloc(0), Buffer.from('this is not a zip file'), good.subarray(0, 6_000), good.subarray(40)];
  for (const bytes of texts)
    assert.match(await verdict(await fileOf(bytes)), /^invalid: the dataset is not a ZIP archive that can be read: /);
});

test('archives with single bytes changed are taken or refused, and never anything else', async () => {
  const good = await readFile(
    await honestZip((zip) => {
      zip.addBuffer(Buffer.from('hello hello hello'), 'a.txt');
      zip.addBuffer(Buffer.from('b'), 'd/b.txt', { compress: false });
    }),
  );
  for (let at = 0; at < good.length; at += 1) {
    const bytes = Buffer.from(good);
    bytes[at] = (bytes[at] ?? 0) ^ 0x41;
    assert.match(await verdict(await fileOf(bytes)), /^(accepted$|invalid: |too_large: )/, `byte ${at}`);
  }
});
