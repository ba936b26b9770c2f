import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../../src/domain/errors.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { storeConformance } from './store.ts';

storeConformance('sqlite', () => openSqliteStore(':memory:'));

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
