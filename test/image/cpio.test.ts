import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cpioArchive } from '../../src/image/cpio.ts';

test('the cpio tool unpacks an archive of ours', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidepool-cpio-'));
  t.after(() => rmSync(folder, { recursive: true }));
  // Lengths 0 to 4 meet every padding.
  const contents = [0, 1, 2, 3, 4].map((length) => Buffer.alloc(length, 'x'));
  const archive = cpioArchive([
    { kind: 'directory', path: 'bin' },
    ...contents.map((content, index) => ({ kind: 'file' as const, path: `bin/f${index}`, mode: 0o750, content })),
    { kind: 'link', path: 'bin/sh', target: 'f1' },
  ]);
  const names = execFileSync('cpio', ['--list', '--quiet'], { input: archive }).toString().trim().split('\n');
  assert.deepEqual(names, ['bin', 'bin/f0', 'bin/f1', 'bin/f2', 'bin/f3', 'bin/f4', 'bin/sh']);
  execFileSync('cpio', ['--extract', '--quiet'], { cwd: folder, input: archive });
  contents.forEach((content, index) => {
    assert.deepEqual(readFileSync(join(folder, `bin/f${index}`)), content);
    assert.equal(lstatSync(join(folder, `bin/f${index}`)).mode & 0o777, 0o750);
  });
  assert.equal(readlinkSync(join(folder, 'bin/sh')), 'f1');
});
