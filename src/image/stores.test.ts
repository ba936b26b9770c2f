import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findImage, listImages, probeInitrdPath, removeImage } from './image-store.ts';
import { findRuntime, forgetRuntime, listRuntimes, removeRuntime, runtimeIds } from './runtime-store.ts';

async function freshCache(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-stores-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

async function put(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
}

test('an empty cache has no images and no runtimes', async (t) => {
  const cache = await freshCache(t);
  assert.deepEqual(await listImages(cache), []);
  assert.deepEqual(await listRuntimes(cache), []);
});

test('images are listed newest first, and a folder without its description is none', async (t) => {
  const cache = await freshCache(t);
  for (const [id, createdAtMs] of [
    ['old', 1],
    ['new', 2],
  ] as const) {
    await put(join(cache, 'images', id), { 'disk.qcow2': 'disk', 'image.json': JSON.stringify({ id, createdAtMs }) });
  }
  await put(join(cache, 'images', 'half'), { 'disk.qcow2': 'disk' });
  const images = await listImages(cache);
  assert.deepEqual(
    images.map(({ id }) => id),
    ['new', 'old'],
  );
  const [newest] = images;
  assert.ok(newest !== undefined);
  assert.equal(newest.diskPath, join(cache, 'images', 'new', 'disk.qcow2'));
  assert.equal(probeInitrdPath(newest), join(cache, 'images', 'new', 'probe-initrd'));
  await removeImage(cache, 'new');
  await removeImage(cache, 'new');
  assert.equal(await findImage(cache, 'new'), undefined);
});

test('what a power cut has damaged counts as not there, and does not end the server', async (t) => {
  const cache = await freshCache(t);
  for (const [id, disk, about] of [
    ['empty', 'disk', ''],
    ['cut', 'disk', '{"createdAtMs"'],
    ['no-disk', '', '{"createdAtMs":1}'],
  ] as const) {
    await put(join(cache, 'images', id), { 'disk.qcow2': disk, 'image.json': about });
    await put(join(cache, 'runtimes', `r-${id}`), { 'runtime.squashfs': disk, 'runtime.json': about });
  }
  assert.deepEqual(await listImages(cache), []);
  assert.deepEqual(await listRuntimes(cache), []);
});

test('a runtime is found by name and id, also a name with dashes', async (t) => {
  const cache = await freshCache(t);
  const runtime = { name: 'my-own', id: 'abc', path: join(cache, 'runtimes', 'my-own-abc', 'runtime.squashfs') };
  await put(join(cache, 'runtimes', 'my-own-abc'), {
    'runtime.squashfs': '12345',
    'runtime.json': '{"createdAtMs":7}',
  });
  assert.deepEqual(await listRuntimes(cache), [{ ...runtime, sizeBytes: 5, createdAtMs: 7, image: null }]);
  await removeRuntime(cache, runtime);
  assert.equal(await findRuntime(cache, 'my-own', 'abc'), undefined);
  assert.deepEqual(await runtimeIds(cache, 'my-own'), ['abc'], 'what the name meant is still known');
  await forgetRuntime(cache, 'my-own', 'abc');
  assert.deepEqual(await runtimeIds(cache, 'my-own'), []);
});
