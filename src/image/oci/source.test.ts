import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type ErrorCode, hasCode } from '../../domain/errors.ts';
import type { ImageProcess } from '../../domain/image.ts';
import { unpackDockerArchive } from './docker-archive.ts';
import { dockerArchive, type FakeImage, hardLink, link, sha256, tarOf, writeOciLayout } from './image.fake.ts';
import { defaultImageLimits, readLayers } from './layers.ts';
import { imageProcess } from './process.ts';
import { type ImageSource, openDockerArchive, openOciLayout } from './source.ts';

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-image-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

const rejects = (made: Promise<unknown>, code: ErrorCode, text?: RegExp) =>
  assert.rejects(made, (error) => hasCode(error, code) && (text === undefined || text.test(error.message)));

const image: FakeImage = {
  layers: [
    tarOf(['etc/passwd', 'root:x:0:0\napp:x:1234:99:App\n'], ['etc/group', 'root:x:0:\nlab:x:77:app\n']),
    tarOf(['app/test.py', 'print(1)\n']),
    tarOf(['x', '1']),
  ],
  config: {
    User: 'app',
    Env: ['PATH=/app:/usr/bin', 'EMPTY=', '1bad=x', 'A=b=c'],
    WorkingDir: '/app/',
    Entrypoint: ['python3'],
    Cmd: ['test.py'],
  },
};

async function processOf({ config, layers }: ImageSource): Promise<ImageProcess> {
  return imageProcess(config, await readLayers(layers, defaultImageLimits), layers);
}

async function oci(t: TestContext, given: FakeImage): Promise<string> {
  const folder = await temporary(t);
  await writeOciLayout(folder, given);
  return folder;
}

async function docker(t: TestContext, archive: Buffer): Promise<ImageSource> {
  const folder = await temporary(t);
  await writeFile(join(folder, 'archive'), archive);
  const files = await unpackDockerArchive(join(folder, 'archive'), folder, defaultImageLimits);
  return openDockerArchive(files, 'amd64');
}

test('an OCI layout and the archive of docker save tell the same image', async (t) => {
  const expected: ImageProcess = {
    uid: 1234,
    gid: 99,
    environment: { PATH: '/app:/usr/bin', EMPTY: '', A: 'b=c' },
    workingFolder: '/app',
    entrypoint: ['python3'],
    command: ['test.py'],
  };
  const sources = [
    await openOciLayout(await oci(t, image), 'amd64'),
    await docker(t, dockerArchive(image)),
    await docker(t, gzipSync(dockerArchive(image))),
  ];
  for (const source of sources) {
    assert.equal(source.id, sources[0]?.id);
    assert.deepEqual(await processOf(source), expected);
  }
});

test('users are found by name and number, with and without a group', async (t) => {
  const ids = async (User: string) => {
    const { uid, gid } = await processOf(await openOciLayout(await oci(t, { ...image, config: { User } }), 'amd64'));
    return [uid, gid];
  };
  assert.deepEqual(await ids(''), [0, 0]);
  assert.deepEqual(await ids('app'), [1234, 99]);
  assert.deepEqual(await ids('1234'), [1234, 99]);
  assert.deepEqual(await ids('5'), [5, 0]);
  assert.deepEqual(await ids('app:lab'), [1234, 77]);
  assert.deepEqual(await ids('8:9'), [8, 9]);
  assert.deepEqual(await ids(':lab'), [0, 77]);
  for (const user of ['nobody-there', 'app:none', '70000', '1:99999', '-1']) await rejects(ids(user), 'invalid');
});

test('a working folder is told without links, and made where there is none', async (t) => {
  const folder = async (WorkingDir: string) => {
    const layers = [tarOf(['srv/app/x', '1'], ['app', link('srv/app')], ['up', link('../..')])];
    return (await processOf(await openOciLayout(await oci(t, { layers, config: { WorkingDir } }), 'amd64')))
      .workingFolder;
  };
  assert.equal(await folder('/app'), '/srv/app');
  assert.equal(await folder('app/new//deep/'), '/srv/app/new/deep');
  assert.equal(await folder('/up/up/srv'), '/srv');
  assert.equal(await folder('/'), '/');
});

test('an image that says nothing of how it is run has no command', async (t) => {
  const source = await openOciLayout(await oci(t, { layers: image.layers }), 'amd64');
  assert.deepEqual(await processOf(source), {
    uid: 0,
    gid: 0,
    environment: {},
    workingFolder: '/',
    entrypoint: [],
    command: [],
  });
});

test('what is not what it says it is, is refused', async (t) => {
  const changed = async (change: (folder: string, blobs: string) => Promise<void>): Promise<ImageSource> => {
    const folder = await oci(t, image);
    await change(folder, join(folder, 'blobs', 'sha256'));
    return openOciLayout(folder, 'amd64');
  };
  const largest = async (blobs: string): Promise<string> => {
    const sizes = await Promise.all(
      (await readdir(blobs)).map(async (name) => [(await readFile(join(blobs, name))).length, name] as const),
    );
    return join(blobs, sizes.sort((a, b) => b[0] - a[0])[0]?.[1] ?? '');
  };
  await rejects(
    changed(async (_, blobs) => writeFile(await largest(blobs), 'x')),
    'invalid',
  );
  await rejects(
    changed(async (_, blobs) => {
      const path = await largest(blobs);
      const bytes = await readFile(path);
      bytes[1000] = (bytes[1000] ?? 0) ^ 1;
      await writeFile(path, bytes);
    }),
    'invalid',
    /damaged/,
  );
  await rejects(
    changed(async (folder, blobs) => {
      const path = await largest(blobs);
      await rename(path, join(folder, 'elsewhere'));
      await symlink(join(folder, 'elsewhere'), path);
    }),
    'invalid',
    /not a file/,
  );
  await rejects(
    changed((folder) => writeFile(join(folder, 'index.json'), '{}')),
    'invalid',
  );
  await rejects(
    changed((folder) => writeFile(join(folder, 'index.json'), 'no json')),
    'invalid',
  );
  await rejects(
    changed((folder) => rm(join(folder, 'index.json'))),
    'invalid',
  );
  await rejects(
    changed((folder) =>
      writeFile(
        join(folder, 'index.json'),
        JSON.stringify({ manifests: [{ digest: 'sha256:../../../etc/passwd', size: 1 }] }),
      ),
    ),
    'invalid',
  );
  await rejects(openOciLayout(await oci(t, { ...image, architecture: 'arm64' }), 'amd64'), 'invalid', /arm64/);
  for (const WorkingDir of ['/a/../..', '/proc/self', '/dev', '/app/test.py', '/to-proc/1']) {
    const layers = [...image.layers, tarOf(['to-proc', link('/proc')])];
    await rejects(openOciLayout(await oci(t, { layers, config: { WorkingDir } }), 'amd64').then(processOf), 'invalid');
  }
});

test('of several images the one for this processor is taken; an index may be in an index', async (t) => {
  const folder = await oci(t, image);
  const blobs = join(folder, 'blobs', 'sha256');
  const [ours] = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')).manifests;
  const platform = (architecture: string) => ({ os: 'linux', architecture });
  const inner = JSON.stringify({
    manifests: [
      { ...ours, platform: platform('amd64') },
      { ...ours, platform: platform('arm64') },
    ],
  });
  await writeFile(join(blobs, sha256(inner)), inner);
  const outer = {
    mediaType: 'application/vnd.oci.image.index.v1+json',
    digest: `sha256:${sha256(inner)}`,
    size: inner.length,
  };
  await writeFile(join(folder, 'index.json'), JSON.stringify({ manifests: [outer] }));
  assert.equal((await openOciLayout(folder, 'amd64')).layers.length, 3);
  await rejects(openOciLayout(folder, 's390x'), 'invalid', /no variant/);
  await writeFile(join(folder, 'index.json'), JSON.stringify({ manifests: [ours, ours] }));
  await rejects(openOciLayout(folder, 'amd64'), 'invalid', /2 images/);
});

test('an archive of docker save is unpacked under names of our own, whatever its own are', async (t) => {
  const folder = await temporary(t);
  await mkdir(join(folder, 'in'));
  const evil = tarOf(
    ['../../evil', '1'],
    ['/abs', '2'],
    ['a/layer.tar', '3'],
    ['b/layer.tar', link('../a/layer.tar')],
    ['c', hardLink('a/layer.tar')],
    ['d', link('/etc/passwd')],
    ['dev', { type: 'CharacterDevice' }],
  );
  await writeFile(join(folder, 'archive'), evil);
  const files = await unpackDockerArchive(join(folder, 'archive'), join(folder, 'in'), defaultImageLimits);
  assert.deepEqual((await readdir(folder)).sort(), ['archive', 'in']);
  for (const name of await readdir(join(folder, 'in'))) assert.match(name, /^[0-9a-f]{64}$/);
  assert.equal(await readFile(files.get('b/layer.tar') ?? '', 'utf8'), '3');
  assert.equal(files.get('c'), files.get('a/layer.tar'));
  assert.equal(files.get('d'), undefined);
  const small = unpackDockerArchive(join(folder, 'archive'), join(folder, 'in'), { maxBytes: 2 });
  await rejects(small, 'too_large');
  await rejects(docker(t, tarOf(['x', '1'])), 'invalid', /docker save/);
  const damaged = dockerArchive(image);
  damaged.set(Buffer.from('arm64'), damaged.indexOf('amd64'));
  await rejects(docker(t, damaged), 'invalid', /damaged/);
});
