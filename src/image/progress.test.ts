import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BuildProgress, forwardOnly, packageProgress } from './progress.ts';

test('progress follows the packages that are fetched and unpacked', () => {
  const read = packageProgress();
  assert.equal(read('Get:1 http://mirror.example bookworm InRelease [151 kB]'), undefined);
  assert.equal(read('0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.')?.fraction, 0);
  assert.equal(read('Get:1 http://mirror.example bookworm/main amd64 libc6 amd64 2.36 [2759 kB]')?.fraction, 0.25);
  assert.equal(read('Get:2 http://mirror.example bookworm/main amd64 crun amd64 1.8 [289 kB]')?.fraction, 0.5);
  assert.equal(read('I: extracting archives...'), undefined);
  const seen = read('D: 17194 2602 running dpkg-deb --fsys-tarfile /x/libc6_2.36_amd64.deb');
  assert.deepEqual(seen, { fraction: 0.75, label: 'unpacking package 1 of 2' });
});

test('more lines than packages never make more than the whole', () => {
  const read = packageProgress();
  read('1 newly installed');
  for (let index = 0; index < 5; index += 1) read('D: running dpkg-deb --fsys-tarfile x');
  assert.ok((read('Get:9 http://mirror.example x [1 B]')?.fraction ?? 2) <= 1);
});

test('a display never jumps back', () => {
  const fractions: number[] = [];
  const report = forwardOnly((progress: BuildProgress) => fractions.push(progress.fraction));
  for (const fraction of [0.2, 0.1, 0.5, 2]) report({ step: 'packages', label: '', fraction });
  assert.deepEqual(fractions, [0.2, 0.2, 0.5, 1]);
});
