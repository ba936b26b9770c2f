import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type ErrorCode, hasCode } from '../../domain/errors.ts';
import { type FakeEntry, folder, hardLink, link, sha256, tarOf } from './image.fake.ts';
import { defaultImageLimits, type Layer, readLayers, uncompressed } from './layers.ts';
import { mergedTar } from './merged-tar.ts';
import { readTar } from './tar-reader.ts';

let root: string;
let count = 0;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'tidepool-layers-'));
});
after(() => rm(root, { recursive: true }));

async function layer(tar: Buffer, diffId = sha256(tar)): Promise<Layer> {
  const path = join(root, `layer-${count++}`);
  await writeFile(path, tar);
  return { path, diffId };
}

/** What comes of these layers: contents of files, `-> target` of links, `/` of folders; without what is always there. */
async function merged(...layers: readonly (readonly FakeEntry[])[]): Promise<Record<string, string>> {
  const files = await Promise.all(layers.map((entries) => layer(tarOf(...entries))));
  return contentsOf(await readLayers(files, defaultImageLimits), files);
}

const always = new Set(['dev', 'proc', 'run', 'sys', 'tmp', 'work', 'etc', 'etc/hosts', 'etc/resolv.conf']);

async function contentsOf(tree: Awaited<ReturnType<typeof readLayers>>, layers: readonly Layer[]) {
  const found: Record<string, string> = {};
  for await (const entry of readTar(mergedTar(tree, layers))) {
    const path = entry.path.replace(/\/$/, '');
    assert.ok(!(path in found), `${path} comes twice`);
    if (entry.type === 'Directory') found[path] = '/';
    else if (entry.type === 'SymbolicLink') found[path] = `-> ${entry.link}`;
    else if (entry.type === 'Link') found[path] = found[entry.link] ?? 'a link to nothing';
    else {
      let text = '';
      for await (const chunk of entry.content()) text += Buffer.from(chunk).toString();
      found[path] = text;
    }
  }
  for (const path of always) {
    assert.ok(path in found, `there is no ${path}`);
    delete found[path];
  }
  return found;
}

const rejects = (made: Promise<unknown>, code: ErrorCode) => assert.rejects(made, (error) => hasCode(error, code));

test('later layers win; a file may take the place of a folder, and the other way round', async () => {
  const lower: FakeEntry[] = [
    ['a', '1'],
    ['d', folder],
    ['d/x', '1'],
    ['d/y', '1'],
    ['f', folder],
    ['f/in', '1'],
  ];
  const upper: FakeEntry[] = [
    ['d/x', '2'],
    ['d', folder],
    ['f', '2'],
    ['a', folder],
    ['a/b', '2'],
  ];
  assert.deepEqual(await merged(lower, upper), { a: '/', 'a/b': '2', d: '/', 'd/x': '2', 'd/y': '1', f: '2' });
});

test('whiteouts hide what is below, never what their own layer brings', async () => {
  const lower: FakeEntry[] = [
    ['a', '1'],
    ['d/x', '1'],
    ['d/e/f', '1'],
    ['k/x', '1'],
  ];
  assert.deepEqual(
    await merged(lower, [
      ['.wh.a', ''],
      ['d/.wh.x', ''],
    ]),
    { d: '/', 'd/e': '/', 'd/e/f': '1', k: '/', 'k/x': '1' },
  );
  assert.deepEqual(
    await merged(lower, [
      ['.wh.d', ''],
      ['.wh.k', ''],
      ['.wh.none', ''],
      ['no/.wh.x', ''],
    ]),
    { a: '1' },
  );
  const both: FakeEntry[][] = [
    [
      ['d', folder],
      ['d/.wh..wh..opq', ''],
      ['d/new', '2'],
    ],
    [
      ['d/new', '2'],
      ['d/.wh..wh..opq', ''],
    ],
  ];
  for (const upper of both) assert.deepEqual(await merged(lower.slice(0, 3), upper), { a: '1', d: '/', 'd/new': '2' });
  assert.deepEqual(
    await merged(
      [['a', '1']],
      [
        ['a', '2'],
        ['.wh.a', ''],
      ],
    ),
    { a: '2' },
  );
});

test('names go through links as they would inside, and never out', async () => {
  const usr: FakeEntry[] = [
    ['usr/bin/sh', '1'],
    ['bin', link('usr/bin')],
    ['abs', link('/usr')],
  ];
  const upper: FakeEntry[] = [
    ['bin/tool', '2'],
    ['abs/share/x', '2'],
    ['bin/.wh.sh', ''],
  ];
  assert.deepEqual(await merged(usr, upper), {
    usr: '/',
    'usr/bin': '/',
    'usr/bin/tool': '2',
    'usr/share': '/',
    'usr/share/x': '2',
    bin: '-> usr/bin',
    abs: '-> /usr',
  });
  const out: FakeEntry[] = [
    ['up', link('../../../..')],
    ['up/etc2/x', 'in'],
    ['/top', 'in'],
  ];
  assert.deepEqual(await merged(out), { up: '-> ../../../..', etc2: '/', 'etc2/x': 'in', top: 'in' });
});

test('hard links are one file, and outlive the name that they were made of', async () => {
  const lower: FakeEntry[] = [
    ['a', 'same'],
    ['b', hardLink('a')],
    ['s', link('a')],
    ['t', hardLink('s')],
  ];
  assert.deepEqual(await merged(lower, [['.wh.a', '']]), { b: 'same', s: '-> a', t: '-> a' });
  assert.deepEqual(await merged([['a', 'x']], [['c', hardLink('/a')]]), { a: 'x', c: 'x' });
});

test('devices are left out, mount points are folders, and modes say only what may be run', async () => {
  const devices = (['CharacterDevice', 'BlockDevice', 'FIFO'] as const).map(
    (type): FakeEntry => [`dev/${type}`, { type }],
  );
  assert.deepEqual(
    await merged([...devices, ['tmp', link('/etc')], ['proc', 'a file'], ['etc/hosts', '6.6.6.6 bank']]),
    {},
  );
  const file = await layer(tarOf(['su', { mode: 0o6755 }], ['secret', { mode: 0o600 }], ['etc/hosts', 'evil']));
  const modes = new Map<string, number>();
  let hosts = '';
  const tree = await readLayers([file], defaultImageLimits);
  for await (const { path, mode, content } of readTar(mergedTar(tree, [file]))) {
    modes.set(path, mode);
    if (path === 'etc/hosts') for await (const chunk of content()) hosts += Buffer.from(chunk).toString();
  }
  assert.deepEqual([modes.get('su'), modes.get('secret'), modes.get('tmp/')], [0o755, 0o644, 0o1777]);
  assert.match(hosts, /^127\.0\.0\.1 localhost/);
});

test('what leads out, is damaged, or has no end is refused', async () => {
  await rejects(merged([['../x', '1']]), 'invalid');
  await rejects(merged([['a/../../x', '1']]), 'invalid');
  await rejects(merged([['a', hardLink('../../etc/passwd')]]), 'invalid');
  await rejects(merged([['a', hardLink('none')]]), 'invalid');
  await rejects(
    merged([
      ['a', link('b')],
      ['b', link('a')],
      ['a/x', '1'],
    ]),
    'invalid',
  );
  await rejects(
    merged([
      ['a', '1'],
      ['a/b', '2'],
    ]),
    'invalid',
  );
  await rejects(merged([[`${'d/'.repeat(200)}x`, '1']]), 'too_large');
  await rejects(merged([['x'.repeat(300), '1']]), 'invalid');
  await rejects(merged([['a', link('x'.repeat(5000))]]), 'invalid');
  const tar = tarOf(['a', 'x'.repeat(10_000)]);
  const read = async (bytes: Buffer, diffId?: string, limits = defaultImageLimits) =>
    readLayers([await layer(bytes, diffId)], limits);
  await rejects(read(tar, '0'.repeat(64)), 'invalid');
  await rejects(read(tar.subarray(0, 5_000)), 'invalid');
  await rejects(read(Buffer.from('no tar at all '.repeat(100))), 'invalid');
  await rejects(read(gzipSync(gzipSync(tar)), sha256(tar)), 'invalid');
  await rejects(read(gzipSync(tar).subarray(0, 30), sha256(tar)), 'invalid');
  await rejects(read(tar, undefined, { ...defaultImageLimits, maxBytes: 9_000 }), 'too_large');
  const bomb = gzipSync(tarOf(['zeros', '\0'.repeat(5_000_000)]));
  await rejects(read(bomb, undefined, { ...defaultImageLimits, maxBytes: 1_000_000 }), 'too_large');
  const many = tarOf(...Array.from({ length: 20 }, (_, i): FakeEntry => [`f${i}`, '']));
  await rejects(read(many, undefined, { ...defaultImageLimits, maxEntries: 19 }), 'too_large');
  const longHeader = tarOf(['x', { type: 'ExtendedHeader', size: 8 * 1024 ** 2 }]);
  await rejects(read(Buffer.concat([longHeader.subarray(0, 512), Buffer.alloc(8 * 1024 ** 2, 65), tarEnd])), 'invalid');
});

const tarEnd = Buffer.alloc(1024);

test('long and foreign names come through', async () => {
  const long = `${'ordner-mit-langem-namen/'.repeat(8)}dätei-✓.txt`;
  const found = await merged([
    [long, '1'],
    ['empty', ''],
  ]);
  assert.equal(found[long], '1');
  assert.equal(found.empty, '');
});

test('any layers give what a simple model gives', async () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
  const entry = fc.oneof(
    fc.record({ kind: fc.constant('file' as const), path, text: fc.constantFrom('1', '2', '') }),
    fc.record({
      kind: fc.constantFrom('folder' as const, 'whiteout' as const, 'opaque' as const),
      path,
      text: fc.constant(''),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(entry, { maxLength: 6 }), { minLength: 1, maxLength: 3 }), async (all) => {
      const model = new Map<string, string>();
      const layers = all.map((entries) => {
        // Whiteouts hide lower layers only; the model takes them first, which is the same.
        const inOrder = [...entries].sort((a, b) => Number(isHiding(b.kind)) - Number(isHiding(a.kind)));
        for (const { kind, path, text } of inOrder) applyTo(model, kind, path, text);
        return inOrder.map(({ kind, path, text }): FakeEntry => {
          if (kind === 'folder') return [path, folder];
          if (kind === 'opaque') return [`${path}/.wh..wh..opq`, ''];
          if (kind === 'whiteout') return [path.replace(/([^/]+)$/, '.wh.$1'), ''];
          return [path, text];
        });
      });
      const found = await merged(...layers).catch((error: unknown) => {
        assert.ok(hasCode(error, 'invalid'), String(error));
        return undefined;
      });
      if (found !== undefined) assert.deepEqual(new Map(Object.entries(found).sort()), new Map([...model].sort()));
    }),
    { numRuns: 150 },
  );
});

type Kind = 'file' | 'folder' | 'whiteout' | 'opaque';
const isHiding = (kind: Kind): boolean => kind === 'whiteout' || kind === 'opaque';

function applyTo(model: Map<string, string>, kind: Kind, path: string, text: string): void {
  const below = (): string[] => [...model.keys()].filter((one) => one.startsWith(`${path}/`));
  if (kind === 'whiteout') for (const one of [path, ...below()]) model.delete(one);
  else if (kind === 'opaque') for (const one of below()) model.delete(one);
  else {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      if (model.get(path.slice(0, at)) === undefined) model.set(path.slice(0, at), '/');
    }
    if (kind === 'file') {
      for (const one of below()) model.delete(one);
      model.set(path, text);
    } else model.set(path, '/');
  }
}

test('compressed or not is told by the bytes', async () => {
  const tar = tarOf(['a', '1']);
  const { path } = await layer(gzipSync(tar));
  const chunks: Uint8Array[] = [];
  for await (const chunk of uncompressed(path)) chunks.push(chunk);
  assert.ok(Buffer.concat(chunks).equals(tar));
});
