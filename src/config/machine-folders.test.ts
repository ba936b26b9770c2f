import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isInstallationRunning, lockInstallation } from './installation-lock.ts';
import { dropEmptyMachineFolders } from './machine-folders.ts';

test('only empty folders of servers that do not run go, and none that changed lately', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-machines-'));
  try {
    const nowMs = Date.UTC(2030, 0);
    for (const name of ['empty', 'full', 'running', 'new']) await mkdir(join(folder, name));
    await writeFile(join(folder, 'full', 'disk.qcow2'), '');
    const longAgo = (nowMs - 2 * 3_600_000) / 1_000;
    for (const name of ['empty', 'full', 'running']) await utimes(join(folder, name), longAgo, longAgo);
    await utimes(join(folder, 'new'), nowMs / 1_000 - 60, nowMs / 1_000 - 60);
    assert.deepEqual(await dropEmptyMachineFolders(folder, nowMs, async (name) => name === 'running'), ['empty']);
    assert.deepEqual((await readdir(folder)).sort(), ['full', 'new', 'running']);
    assert.deepEqual(await dropEmptyMachineFolders(join(folder, 'none'), nowMs), []);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a server that runs is seen by the lock of its installation', async () => {
  const id = randomUUID();
  assert.equal(await isInstallationRunning(id), false);
  {
    await using _lock = await lockInstallation(id, { dataDir: '/x', pid: process.pid });
    assert.equal(await isInstallationRunning(id), true);
  }
  assert.equal(await isInstallationRunning(id), false);
});
