import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDiskSpace } from './disk.ts';

const GiB = 1024 ** 3;

test('little room is reported, enough is not', () => {
  const little = checkDiskSpace('/cache', () => 2 * GiB);
  assert.deepEqual([little.ok, little.fix !== ''], [false, true]);
  assert.match(little.detail, /2\.0 GiB free for \/cache, and 8\.0 GiB are needed/);
  assert.equal(checkDiskSpace('/cache', () => 20 * GiB).ok, true);
});

test('a folder that is not there yet counts as the one that will hold it', () => {
  assert.match(checkDiskSpace('/no/such/folder').detail, /GiB free for \/no\/such\/folder/);
});
