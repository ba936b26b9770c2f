import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { configDoubts } from './doubts.ts';
import { configSchema } from './schema.ts';

test('a folder of wheels or a network that the machine does not have is named', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-doubts-'));
  const doubts = async (wheelDir: string, networkTrouble?: string): Promise<string> =>
    (await configDoubts(configSchema.parse({ jobs: { pip: { wheelDir } } }), networkTrouble)).join();
  try {
    assert.equal(await doubts(folder), '');
    assert.match(await doubts('/no/wheels'), /jobs\.pip\.wheelDir \/no\/wheels is not there/);
    assert.match(await doubts(import.meta.filename), /is no folder/);
    assert.match(await doubts(folder, 'the network lan does not exist'), /^network: the network lan .* no VM starts$/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
