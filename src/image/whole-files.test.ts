import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { runtimeShelf, type ShelfOptions } from './runtime-shelf.ts';
import { findRuntime, removeRuntime, runtimeFiles } from './runtime-store.ts';
import { publishResult } from './whole-files.ts';

async function freshCache(t: TestContext) {
  const cache = await mkdtemp(join(tmpdir(), 'tidepool-whole-'));
  t.after(() => rm(cache, { recursive: true, force: true }));
  const add = async (name: string, image: object | null = null): Promise<string> => {
    const work = join(cache, 'work');
    await mkdir(work);
    await writeFile(join(work, runtimeFiles.disk), 'the content of a disk');
    const folder = join(cache, 'runtimes', `${name}-1`);
    const about = { name: runtimeFiles.about, content: { createdAtMs: 1, image } };
    await publishResult(work, folder, about, [runtimeFiles.disk]);
    return join(folder, runtimeFiles.disk);
  };
  return { cache, add };
}

function shelf(cacheDir: string) {
  const clock = new FakeClock();
  const options: ShelfOptions = {
    ...{ cacheDir, clock, pip: null, isRoot: false, signal: new AbortController().signal },
    ...{ log: () => undefined, checkRoom: async () => undefined, onBuilt: () => undefined },
  };
  return { clock, shelf: runtimeShelf(options) };
}

test('a disk that was cut off or changed is not whole; one with another time and the same content is', async (t) => {
  const { cache, add } = await freshCache(t);
  const disk = await add('own');
  const isWhole = async () => (await findRuntime(cache, 'own', '1')) !== undefined;
  assert.ok(await isWhole());
  const { mtimeMs } = await stat(disk);
  await utimes(disk, 1_000, 1_000);
  assert.ok(await isWhole());
  assert.ok(Math.abs((await stat(disk)).mtimeMs - mtimeMs) < 2, 'its content is not read the next time');
  await writeFile(disk, 'the Content of a disk');
  await utimes(disk, 2_000, 2_000);
  assert.ok(!(await isWhole()), 'one letter is another');
  await writeFile(disk, 'the content of a disk');
  assert.ok(await isWhole());
  await truncate(disk, 10);
  assert.ok(!(await isWhole()));
});

test('a squashfs of an earlier version that is shorter than it says itself is not whole', async (t) => {
  const { cache } = await freshCache(t);
  const folder = join(cache, 'runtimes', 'own-1');
  await mkdir(folder, { recursive: true });
  const disk = Buffer.alloc(4_096);
  disk.write('hsqs');
  disk.writeBigUInt64LE(4_000n, 40);
  await writeFile(join(folder, runtimeFiles.disk), disk);
  await writeFile(join(folder, runtimeFiles.about), '{"createdAtMs":1}');
  assert.ok((await findRuntime(cache, 'own', '1')) !== undefined);
  await truncate(join(folder, runtimeFiles.disk), 3_000);
  assert.equal(await findRuntime(cache, 'own', '1'), undefined);
});

const process = { uid: 1, gid: 1, environment: {}, workingFolder: '/', entrypoint: ['/run'], command: [] };

test('jobs of a damaged runtime are taken and wait for the server; those of a removed one are not', async (t) => {
  const { cache, add } = await freshCache(t);
  const disk = await add('own', process);
  const { shelf: runtimes } = shelf(cache);
  await truncate(disk, 3);
  assert.ok((await runtimes.names()).includes('own'));
  assert.deepEqual(await runtimes.list(), [], 'no VM gets it');
  assert.deepEqual(await runtimes.image('own'), process);
  assert.equal(await runtimes.isRemoved('own'), false);
  await assert.rejects(runtimes.want('own'), (error) => {
    assert.ok(hasCode(error, 'unavailable'), String(error));
    assert.match(
      error.message,
      /own is damaged: .* has 3 bytes instead of 21; add it again by .\/tidepool runtime add own/,
    );
    return true;
  });
  await removeRuntime(cache, { name: 'own', id: '1' });
  const later = shelf(cache).shelf;
  assert.equal(await later.isRemoved('own'), true);
  assert.ok(!(await later.names()).includes('own'));
});

test('a cache folder that cannot be read removes no runtime: what was read last stays, and the rest waits', async (t) => {
  const { cache, add } = await freshCache(t);
  await add('own', process);
  const { shelf: runtimes, clock } = shelf(cache);
  assert.equal((await runtimes.list()).length, 1);
  await rename(join(cache, 'runtimes'), join(cache, 'away'));
  clock.jump(2_000);
  await clock.advance(2_000);
  assert.equal((await runtimes.list()).length, 1);
  for (const asked of [runtimes.names(), runtimes.isRemoved('other'), runtimes.want('other')])
    await assert.rejects(asked, (error) => hasCode(error, 'unavailable') && error.message.includes('cannot be read'));
  await assert.rejects(shelf(cache).shelf.list(), (error) => hasCode(error, 'unavailable'), 'nothing was read yet');
  await rename(join(cache, 'away'), join(cache, 'runtimes'));
  assert.ok((await runtimes.names()).includes('own'));
});
