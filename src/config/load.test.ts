import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { loadConfig } from './load.ts';

test('everything has a default, and the command line wins', async () => {
  const config = await loadConfig(undefined, { port: 4_000, libvirtUri: 'qemu:///session' });
  assert.deepEqual([config.port, config.libvirtUri], [4_000, 'qemu:///session']);
  const [pool] = config.pools;
  assert.deepEqual(
    [pool?.name, pool?.prefix, pool?.flavor, pool?.min, pool?.max],
    ['default', 'tidepool', 'small', 1, 1],
  );
  assert.equal(config.jobs.maxAttempts, 3);
  assert.deepEqual(config.services.store, { maxKeys: 1_000_000, maxBytes: 256 * 1024 ** 2 });
});

test('what is wrong is said with its place', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-config-'));
  const path = join(folder, 'config.json');
  const cases: [string, RegExp][] = [
    ['{', /is not JSON/],
    ['[]', /must be a JSON object/],
    ['{"port": "3000"}', /port: must be a (whole )?number/],
    ['{"prot": 1}', /prot/],
    ['{"pools": [{"name": "a", "flavor": "huge"}]}', /there is no flavor huge/],
    ['{"pools": [{"name": "a"}, {"name": "a"}]}', /two pools are named a/],
    ['{"pools": [{"name": "Big Pool"}]}', /pools\[0\]\.name/],
    ['{"pools": [{"name": "a", "min": 3, "max": 2}]}', /min 3 is more than max 2/],
    ['{"services": {"store": {"maxKeys": -1}}}', /services\.store\.maxKeys/],
    ['{"services": {"store": {"maxKey": 1}}}', /maxKey/],
  ];
  try {
    for (const [text, pattern] of cases) {
      await writeFile(path, text);
      await assert.rejects(
        loadConfig(path, { port: 4_000 }),
        (error) => hasCode(error, 'invalid') && pattern.test(error.message),
        text,
      );
    }
    await assert.rejects(loadConfig(join(folder, 'none.json'), {}), {
      code: 'invalid',
      message: /none\.json cannot be read: it is not there$/,
    });
    await assert.rejects(loadConfig(folder, {}), { code: 'invalid', message: /cannot be read: it is a folder/ });
    await writeFile(path, '\uFEFF{"port": 4000}');
    assert.equal((await loadConfig(path, {})).port, 4_000, 'a byte order mark is no part of it');
  } finally {
    await rm(folder, { recursive: true });
  }
});
