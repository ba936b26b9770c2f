import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { writeLease } from '../image/leases.ts';
import { checkCacheRoom } from './cache-room.ts';

const MiB = 1024 ** 2;

test('who builds by hand keeps the reserves of all installations with this cache', async (t) => {
  const cache = await mkdtemp(join(tmpdir(), 'tidepool-room-'));
  t.after(() => rm(cache, { recursive: true }));
  const lease = { dataDir: cache, images: [], runtimes: [], oldestVmMs: null };
  const check = (freeMiB: number): Promise<void> =>
    checkCacheRoom(cache, undefined, {
      space: async () => ({ freeBytes: freeMiB * MiB, totalBytes: 100_000 * MiB }),
    });
  const refused = (text: RegExp) => (error: unknown) => hasCode(error, 'exhausted') && text.test(error.message);
  await assert.rejects(check(1_000), refused(/1000 MiB are free, and 2000 MiB are kept/));
  await check(2_000);
  await writeLease(cache, { ...lease, reserve: { minBytes: 500 * MiB, percent: 0 } });
  await check(1_000);
  await writeLease(cache, { ...lease, reserve: { minBytes: 9_000 * MiB, percent: 0 } });
  await assert.rejects(check(8_000), refused(/9000 MiB are kept/));
});
