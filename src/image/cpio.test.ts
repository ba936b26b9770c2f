import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cpioArchive } from './cpio.ts';
import { fillModules, initrdArchive } from './initrd.ts';

test('the cpio tool unpacks what was packed', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidepool-cpio-'));
  t.after(() => rmSync(folder, { recursive: true }));
  // Lengths 0 to 4 meet every padding.
  const contents = [0, 1, 2, 3, 4].map((length) => Buffer.alloc(length, 'x'));
  const archive = cpioArchive([
    { kind: 'directory', path: 'bin' },
    ...contents.map((content, index) => ({ kind: 'file' as const, path: `bin/f${index}`, mode: 0o750, content })),
    { kind: 'link', path: 'bin/sh', target: 'f1' },
  ]);
  execFileSync('cpio', ['--extract', '--quiet'], { cwd: folder, input: archive });
  contents.forEach((content, index) => {
    assert.deepEqual(readFileSync(join(folder, `bin/f${index}`)), content);
    assert.equal(lstatSync(join(folder, `bin/f${index}`)).mode & 0o777, 0o750);
  });
  assert.equal(readlinkSync(join(folder, 'bin/sh')), 'f1');
});

test('the initrd has its init, its shell and its modules', () => {
  const archive = initrdArchive({
    busybox: Buffer.from('BUSYBOX'),
    init: '#!/bin/busybox sh\n',
    modules: [{ name: 'virtio', content: Buffer.from('MODULE') }],
  });
  const names = execFileSync('cpio', ['--list', '--quiet'], { input: archive }).toString().split('\n');
  for (const name of ['init', 'bin/busybox', 'bin/sh', 'dev', 'proc', 'root', 'modules/virtio.ko']) {
    assert.ok(names.includes(name), name);
  }
});

test('modules are filled into the script in order', () => {
  assert.equal(fillModules('for m in @MODULES@; do', ['virtio_ring', 'virtio']), 'for m in virtio_ring virtio; do');
});
