import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeSecrets } from './secrets.ts';

const root = await mkdtemp(join(tmpdir(), 'tidepool-secrets-'));
after(() => rm(root, { recursive: true }));

test('secrets of a machine are for the server alone, and replace those that were there', async () => {
  const folder = join(root, 'machines');
  for (const value of ['old', 'new']) {
    const [path = ''] = (await writeSecrets(folder, 'vm-1', { key: Buffer.from(value) })).values();
    assert.equal(await readFile(path, 'utf8'), value);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  }
});

test('secrets make no data folder in the place of one that was moved away', async () => {
  const before = await readdir(root);
  const folder = join(root, 'data', 'machines');
  await assert.rejects(writeSecrets(folder, 'vm-1', { key: Buffer.from('x') }), { code: 'ENOENT' });
  assert.deepEqual(await readdir(root), before);
});
