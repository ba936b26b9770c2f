import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpioArchive } from './cpio.ts';
import { fillModules, initrdArchive } from './initrd.ts';

/** Reads an archive as the format's description says, independently of the writer: one entry after the other. */
function readArchive(archive: Buffer): Map<string, { mode: number; links: number; content: Buffer }> {
  const entries = new Map<string, { mode: number; links: number; content: Buffer }>();
  const aligned = (offset: number): number => Math.ceil(offset / 4) * 4;
  for (let at = 0; ; ) {
    assert.equal(archive.toString('latin1', at, at + 6), '070701');
    const field = (index: number): number =>
      Number.parseInt(archive.toString('latin1', at + 6 + 8 * index).slice(0, 8), 16);
    const [mode, links, size, nameLength] = [field(1), field(4), field(6), field(11)];
    const nameAt = at + 110;
    const name = archive.toString('utf8', nameAt, nameAt + nameLength - 1);
    assert.equal(archive[nameAt + nameLength - 1], 0, 'a name ends with NUL');
    if (name === 'TRAILER!!!') return entries;
    const contentAt = aligned(nameAt + nameLength);
    entries.set(name, { mode, links, content: archive.subarray(contentAt, contentAt + size) });
    at = aligned(contentAt + size);
  }
}

test('an archive has every entry with its mode and content (the cpio tool reads it in test/image)', () => {
  // Lengths 0 to 4 meet every padding.
  const contents = [0, 1, 2, 3, 4].map((length) => Buffer.alloc(length, 'x'));
  const entries = readArchive(
    cpioArchive([
      { kind: 'directory', path: 'bin' },
      ...contents.map((content, index) => ({ kind: 'file' as const, path: `bin/f${index}`, mode: 0o750, content })),
      { kind: 'link', path: 'bin/sh', target: 'f1' },
    ]),
  );
  assert.deepEqual([...entries.keys()], ['bin', 'bin/f0', 'bin/f1', 'bin/f2', 'bin/f3', 'bin/f4', 'bin/sh']);
  contents.forEach((content, index) => {
    const entry = entries.get(`bin/f${index}`);
    assert.deepEqual([entry?.mode, entry?.links, entry?.content], [0o100750, 1, content]);
  });
  assert.equal(entries.get('bin')?.mode, 0o040755);
  assert.deepEqual([entries.get('bin/sh')?.mode, entries.get('bin/sh')?.content.toString()], [0o120777, 'f1']);
});

test('the initrd has its init, its shell and its modules', () => {
  const entries = readArchive(
    initrdArchive({
      busybox: Buffer.from('BUSYBOX'),
      init: '#!/bin/busybox sh\n',
      modules: [{ name: 'virtio', content: Buffer.from('MODULE') }],
    }),
  );
  for (const name of ['init', 'bin/busybox', 'bin/sh', 'dev', 'proc', 'root', 'modules/virtio.ko']) {
    assert.ok(entries.has(name), name);
  }
});

test('modules are filled into the script in order', () => {
  assert.equal(fillModules('for m in @MODULES@; do', ['virtio_ring', 'virtio']), 'for m in virtio_ring virtio; do');
});
