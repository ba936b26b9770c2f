import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { configDoubts } from './doubts.ts';
import { configSchema } from './schema.ts';

test('a folder of wheels or a bridge that the machine does not have is named', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-doubts-'));
  const doubts = (wheelDir: string, network: object, isLocal = true): Promise<string[]> =>
    configDoubts(configSchema.parse({ network, jobs: { pip: { wheelDir } } }), isLocal, folder);
  try {
    await mkdir(join(folder, 'br0', 'bridge'), { recursive: true });
    await mkdir(join(folder, 'eth0'));
    assert.deepEqual(await doubts(folder, { kind: 'bridge', name: 'br0' }), []);
    assert.deepEqual(await doubts(folder, { kind: 'user' }), []);
    assert.match(
      (await doubts('/no/wheels', { kind: 'user' })).join(),
      /jobs\.pip\.wheelDir \/no\/wheels is not there/,
    );
    assert.match((await doubts(import.meta.filename, { kind: 'user' })).join(), /is no folder/);
    assert.match((await doubts(folder, { kind: 'bridge', name: 'br9' })).join(), /bridge br9 of network is not there/);
    assert.match(
      (await doubts(folder, { kind: 'bridge', name: 'eth0' })).join(),
      /bridge eth0 of network is no bridge/,
    );
    assert.deepEqual(await doubts(folder, { kind: 'bridge', name: 'br9' }, false), [], 'another machine has its own');
  } finally {
    await rm(folder, { recursive: true });
  }
});
