import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { defaultReserve } from '../domain/disk.ts';
import { dropAbandonedLeases, writeLease } from './leases.ts';

test('only a lease that is old and whose data folder does not exist goes', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'tidepool-leases-'));
  try {
    const nowMs = Date.UTC(2030, 0);
    const there = join(cache, 'there');
    await mkdir(there);
    const write = async (dataDir: string, writtenMs: number): Promise<string> => {
      const before = await names();
      await writeLease(cache, { dataDir, images: [], runtimes: [], oldestVmMs: null, reserve: defaultReserve });
      const [name = ''] = (await names()).filter((one) => !before.includes(one));
      await utimes(join(cache, 'leases', name), writtenMs / 1_000, writtenMs / 1_000);
      return name;
    };
    const names = () => readdir(join(cache, 'leases')).catch((): string[] => []);
    const kept = [await write(there, nowMs - 10 * 3_600_000), await write(join(cache, 'runs'), nowMs - 60_000)];
    await write(join(cache, 'gone'), nowMs - 2 * 3_600_000);
    await dropAbandonedLeases(cache, nowMs);
    assert.deepEqual((await names()).sort(), kept.sort());
  } finally {
    await rm(cache, { recursive: true });
  }
});
