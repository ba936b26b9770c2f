import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { namesOfOldFiles } from './leftovers.ts';

const nowMs = 1_780_000_000_000;

test('only files of machines that nobody has touched for ten minutes are leftovers', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-leftovers-'));
  const put = async (name: string, ageMs: number): Promise<void> => {
    const path = join(folder, name);
    if (name.endsWith('.secrets')) await mkdir(path);
    else await writeFile(path, '');
    const changed = new Date(nowMs - ageMs);
    await utimes(path, changed, changed);
  };
  try {
    await put('w-0001.qcow2', 600_000);
    await put('w-0002.secrets', 3_600_000);
    await put('w-0003.qcow2', 599_000);
    await put('notes.txt', 3_600_000);
    await put('.w-0004.qcow2', 3_600_000);
    assert.deepEqual([...(await namesOfOldFiles(folder, nowMs))].sort(), ['w-0001', 'w-0002']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
