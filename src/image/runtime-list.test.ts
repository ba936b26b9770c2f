import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { RuntimeList } from './runtime-list.ts';
import { removeRuntime } from './runtime-store.ts';

test('runtimes are read again when one came, and when the list is a second old', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'tidepool-runtimes-'));
  try {
    const clock = new FakeClock();
    const list = new RuntimeList(cache, clock);
    const names = async () => (await list.list()).map(({ name, id }) => `${name}-${id}`).sort();
    await assert.rejects(names(), (error) => hasCode(error, 'unavailable'), 'there is no folder yet');
    await addRuntime(cache, 'python', 'a', 1);
    await settle(cache, 1_000);
    assert.deepEqual(await names(), ['python-a']);
    assert.equal(await list.list(), await list.list(), 'the list is kept');
    await addRuntime(cache, 'python', 'b', 2);
    await addRuntime(cache, 'ml', 'c', 3);
    await settle(cache, 2_000);
    assert.deepEqual(await names(), ['ml-c', 'python-b'], 'the newest of a name');
    // This changes nothing in the folder of all.
    await removeRuntime(cache, { name: 'ml', id: 'c' });
    await settle(cache, 2_000);
    clock.jump(1_000);
    await clock.advance(1_000);
    assert.deepEqual(await names(), ['python-b']);
    await addRuntime(cache, 'ml', 'd', 4);
    const now = clock.now() / 1_000;
    await utimes(join(cache, 'runtimes'), now, now);
    await names();
    await addRuntime(cache, 'own', 'e', 5);
    await utimes(join(cache, 'runtimes'), now, now);
    assert.equal((await names()).length, 3, 'a second change within the same moment is seen');
  } finally {
    await rm(cache, { recursive: true });
  }
});

async function addRuntime(cache: string, name: string, id: string, createdAtMs: number): Promise<void> {
  const made = join(cache, `made-${id}`);
  await mkdir(made);
  await mkdir(join(cache, 'runtimes'), { recursive: true });
  await writeFile(join(made, 'runtime.json'), JSON.stringify({ createdAtMs }));
  await writeFile(join(made, 'runtime.squashfs'), 'disk');
  await rename(made, join(cache, 'runtimes', `${name}-${id}`));
}

/** The folder was changed long ago. */
async function settle(cache: string, atMs: number): Promise<void> {
  await utimes(join(cache, 'runtimes'), atMs / 1_000, atMs / 1_000);
}
