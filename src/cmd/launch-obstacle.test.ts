import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { FakeHypervisor } from '../fake/hypervisor.ts';
import { imageFiles } from '../image/image-store.ts';
import { publishResult } from '../image/whole-files.ts';
import { launchObstacle } from './launch-obstacle.ts';

async function world(t: TestContext) {
  const cacheDir = await mkdtemp(join(tmpdir(), 'tidepool-obstacle-'));
  t.after(() => rm(cacheDir, { recursive: true }));
  const clock = new FakeClock();
  const hypervisor = new FakeHypervisor({ clock });
  const { about, ...files } = imageFiles;
  const build = async (): Promise<void> => {
    const work = join(cacheDir, 'building');
    await mkdir(work);
    for (const name of Object.values(files)) await writeFile(join(work, name), `content of ${name}`);
    await publishResult(
      work,
      join(cacheDir, 'images', 'i'),
      { name: about, content: { createdAtMs: 1 } },
      Object.values(files),
    );
  };
  await build();
  const builds: PromiseWithResolvers<void>[] = [];
  const obstacle = (name?: string) =>
    launchObstacle({
      ...{ hypervisor, cacheDir, clock, image: { id: 'i' }, log: () => undefined },
      network: name === undefined ? { kind: 'user' } : { kind: 'network', name },
      rebuild: async () => {
        const build = Promise.withResolvers<void>();
        builds.push(build);
        await build.promise;
        return { id: 'i' };
      },
    });
  return { cacheDir, clock, hypervisor, build, builds, obstacle };
}

test('a network that does not exist keeps launches waiting until it does', async (t) => {
  const { hypervisor, obstacle } = await world(t);
  const look = obstacle('lan');
  assert.deepEqual(await look(), { lacks: 'network', text: 'the libvirt network lan does not exist' });
  hypervisor.host.networks.add('lan');
  assert.equal(await look(), undefined);
});

test('an image that was damaged keeps launches waiting and is built again, with a pause after each failure', async (t) => {
  const { cacheDir, clock, build, builds, obstacle } = await world(t);
  const look = obstacle();
  assert.equal(await look(), undefined);
  await truncate(join(cacheDir, 'images', 'i', imageFiles.initrd), 3);
  assert.match((await look())?.text ?? '', /^the golden image i in the cache .* is being built again$/);
  assert.equal((await look())?.lacks, 'image');
  assert.equal(builds.length, 1, 'one build at a time');
  builds[0]?.reject(new TidepoolError('upstream', 'no packages'));
  await clock.advance(0);
  assert.match((await look())?.text ?? '', /no packages$/);
  assert.equal(builds.length, 1, 'not again at once');
  await clock.advance(2_000);
  await look();
  assert.equal(builds.length, 2);
  await build();
  builds[1]?.resolve();
  await clock.advance(0);
  assert.equal(await look(), undefined);
});
