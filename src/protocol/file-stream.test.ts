import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeFiles, encodeFiles, type FileEntry, maxPathBytes, pathProblem } from './file-stream.ts';

interface Plain {
  readonly path: string;
  readonly content: Uint8Array;
}

const part = fc.stringMatching(/^[A-Za-z0-9_ é世-]{1,12}$/u).filter((name) => name !== '.' && name !== '..');
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const plainFiles = fc.array(
  fc.record({ path, content: fc.uint8Array({ maxLength: 600 }) }, { noNullPrototype: true }),
  { maxLength: 8 },
);

function entries(files: readonly Plain[]): FileEntry[] {
  return files.map(({ path: name, content }) => ({ path: name, size: content.length, content: inPieces(content, 97) }));
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function encoded(files: readonly Plain[]): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of encodeFiles(entries(files))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function decoded(source: AsyncIterable<Uint8Array>): Promise<Plain[]> {
  const files: Plain[] = [];
  await decodeFiles(source, async (file) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of file.content) chunks.push(Uint8Array.from(chunk));
    files.push({ path: file.path, content: Uint8Array.from(Buffer.concat(chunks)) });
  });
  return files;
}

test('files come back as they were, however the stream is cut into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(plainFiles, fc.integer({ min: 1, max: 300 }), async (files, size) => {
      assert.deepEqual(await decoded(inPieces(await encoded(files), size)), files);
    }),
  );
});

test('a stream that is cut anywhere is never taken for a whole one', async () => {
  await fc.assert(
    fc.asyncProperty(
      plainFiles,
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      async (files, where) => {
        const bytes = await encoded(files);
        const cut = bytes.subarray(0, Math.floor(where * bytes.length));
        await assert.rejects(decoded(inPieces(cut, 50)));
      },
    ),
  );
});

test('whatever bytes come, decoding ends with an answer or an error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
      await assert.rejects(decoded(inPieces(bytes, 64)));
    }),
  );
});

test('content that is left unread is skipped', async () => {
  const files = [
    { path: 'a', content: new Uint8Array(500) },
    { path: 'b', content: Uint8Array.of(1, 2) },
  ];
  const seen: string[] = [];
  const result = await decodeFiles(inPieces(await encoded(files), 100), async (file) => {
    seen.push(file.path);
  });
  assert.deepEqual([seen, result.files], [['a', 'b'], 2]);
});

test('a file that is not as long as announced is an error', async () => {
  for (const size of [1, 3]) {
    const wrong = [{ path: 'a', size, content: inPieces(Uint8Array.of(1, 2), 10) }];
    const encode = async (): Promise<void> => {
      for await (const _chunk of encodeFiles(wrong));
    };
    await assert.rejects(encode(), RangeError);
  }
});

test('bad headers are refused', async () => {
  const headers = [
    '{"path":"../a","size":1}\nx',
    '{"path":"a","size":-1}\n',
    '{"path":"a","size":1.5}\nx',
    '{"path":"a","size":1e300}\nx',
    '{"path":7,"size":1}\nx',
    '[]\n',
    'null\n',
    '{"end":true,"files":1}\n',
    `{"path":"${'a'.repeat(9000)}`,
  ];
  for (const header of headers) {
    await assert.rejects(decoded(inPieces(Buffer.from(header), 1000)), header.slice(0, 40));
  }
});

test('names that leave the folder, or that a file system or a person would misread, are refused', () => {
  const refused = ['', '/a', 'a//b', 'a/', './a', 'a/../b', '..', 'a\\b', 'a\nb', 'a\0', 'a\u007f', 'é'.repeat(200)];
  for (const name of [...refused, `${'a/'.repeat(maxPathBytes)}a`]) {
    assert.notEqual(pathProblem(name), undefined, JSON.stringify(name));
  }
  for (const name of ['a', 'data/a b.csv', '.hidden', '...', 'ü/世', '-x']) assert.equal(pathProblem(name), undefined);
});

test('a name without a problem stays inside the folder', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (name) => {
      if (pathProblem(name) !== undefined) return;
      const { pathname } = new URL(`file:///top/${name.split('/').map(encodeURIComponent).join('/')}`);
      assert.ok(pathname.startsWith('/top/') && pathname.length > '/top/'.length);
    }),
  );
});
