import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../../src/domain/errors.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { runningService } from '../../src/fake/service.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { queueStoreConformance } from './queue-store.ts';
import { serviceStoreConformance } from './service-store.ts';
import { storeConformance } from './store.ts';

storeConformance('sqlite', () => openSqliteStore(':memory:'));
queueStoreConformance('sqlite', (halfLifeMs) => openSqliteStore(':memory:', undefined, halfLifeMs));
serviceStoreConformance('sqlite', (limits) => openSqliteStore(':memory:', limits));

test('sqlite: 100,000 puts in batches of 100 take seconds and survive a reopening', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-store-'));
  try {
    const path = join(folder, 'tidepool.db');
    const store = await openSqliteStore(path);
    await store.services.insert(runningService({ name: 'licence' }));
    using watch = new Stopwatch();
    const value = Buffer.from('0'.repeat(97));
    for (let first = 0; first < 100_000; first += 100) {
      const batch = Array.from({ length: 100 }, (_, i) => ({ op: 'put' as const, key: `B-AB ${first + i}`, value }));
      await store.keyValues.apply('licence', batch);
    }
    // Some four of them on two cores that have other work too.
    assert.ok(watch.elapsedMs < 40_000, `${watch.elapsedMs} ms`);
    await store.close();
    const again = await openSqliteStore(path);
    assert.equal(await again.keyValues.count('licence'), 100_000);
    await again.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('sqlite: what was written is there after a reopening, and only one server has it open', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-store-'));
  try {
    const path = join(folder, 'tidepool.db');
    const store = await openSqliteStore(path);
    await store.jobs.insert(queuedJob({ id: 'a' }));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await assert.rejects(openSqliteStore(path), (error) => hasCode(error, 'conflict'));
    await store.close();
    const again = await openSqliteStore(path);
    assert.equal((await again.jobs.get('a'))?.id, 'a');
    await again.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});
