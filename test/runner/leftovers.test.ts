import assert from 'node:assert/strict';
import { chown, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '../../src/fake/clock.ts';
import { FakeHost } from '../../src/fake/host.ts';
import { FakeHypervisor } from '../../src/fake/hypervisor.ts';
import { readProcess } from '../../src/processes/process-table.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { abandonedClaims, claim } from '../support/claims.ts';
import { sweepLeftovers } from './leftovers.ts';

const id = '6b5f0a50-0000-4000-8000-00000000000';
const there = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

test('claims in a folder that another user has made are not followed', {
  skip: process.getuid?.() !== 0 && 'not root',
}, async () => {
  const claims = await mkdtemp(join(tmpdir(), 'tidepool-claims-'));
  try {
    const made = { pid: process.pid, startTicks: '1', folder: join(tmpdir(), 'tidepool-victim'), installationId: null };
    await writeFile(join(claims, 'one.json'), JSON.stringify(made));
    assert.equal((await abandonedClaims(claims)).size, 1);
    await chown(claims, 65_534, 65_534);
    assert.equal((await abandonedClaims(claims)).size, 0);
  } finally {
    await rm(claims, { recursive: true, force: true });
  }
});

test('only machines and folders of test processes that are gone are removed', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tidepool-leftovers-'));
  const claims = join(root, 'claims');
  await mkdir(claims);
  const host = new FakeHost();
  const open = async (installationId: string) => new FakeHypervisor({ clock: new FakeClock(0), host, installationId });
  const folders: string[] = [];
  const folder = async (): Promise<string> => {
    folders.push(await mkdtemp(join(tmpdir(), 'tidepool-left-')));
    return folders.at(-1) ?? '';
  };
  const addMachine = async (installationId: string, name: string): Promise<void> => {
    const tags = { pool: 'p', role: 'worker' as const, imageId: 'i', keyId: 'k', createdAtMs: 0 };
    await (await open(installationId)).create({
      ...{ name, tags, flavor: { name: 's', vcpus: 1, memoryMiB: 512, diskGiB: 1 }, accelerator: 'tcg' },
      boot: { kernelPath: 'kernel', initrdPath: 'initrd', commandLine: '' },
      ...{ imagePath: 'image', sharedDisks: [], network: { kind: 'user' }, secrets: {} },
      ports: [{ name: 'agent', protocol: 'tcp', guestPort: 9_000 }],
    });
  };
  const dead = { pid: process.pid, startTicks: '1' };
  const write = (name: string, content: object): Promise<void> =>
    writeFile(join(claims, name), JSON.stringify(content));
  try {
    const ofServer = await folder();
    await mkdir(join(ofServer, 'data'));
    const store = await openSqliteStore(join(ofServer, 'data', 'tidepool.db'));
    await store.setting('installation-id', () => `${id}1`);
    await store.close();
    await write('server.json', { ...dead, folder: ofServer, installationId: null });
    const ofHarness = await folder();
    await write('harness.json', { ...dead, folder: ofHarness, installationId: `${id}2` });
    const running = await folder();
    await write('running.json', { ...dead, folder: running, installationId: `${id}3` });
    await write('home.json', { ...dead, folder: '/home', installationId: `${id}4` });
    await writeFile(join(claims, 'torn.json'), '{');
    const alive = await folder();
    const release = await claim(alive, `${id}5`, claims);
    assert.notEqual((await readProcess(process.pid))?.startTicks, dead.startTicks);
    for (const n of [1, 2, 3, 4, 5]) await addMachine(`${id}${n}`, `m-${n}`);
    await addMachine('somebody-else', 'm-6');
    const lines: string[] = [];
    await sweepLeftovers(
      open,
      (line) => lines.push(line),
      claims,
      async (one) => one === `${id}3`,
    );
    assert.deepEqual([...host.machines.keys()].sort(), ['m-3', 'm-4', 'm-5', 'm-6']);
    const left = await Promise.all([ofServer, ofHarness, running, alive].map(there));
    assert.deepEqual(left, [false, false, true, true]);
    assert.equal(lines.length, 2, lines.join('\n'));
    const files = (await readdir(claims)).filter((name) => /^[a-z]/.test(name)).sort();
    assert.deepEqual(files, ['home.json', 'running.json', 'torn.json']);
    await release();
  } finally {
    for (const path of [root, ...folders]) await rm(path, { recursive: true, force: true });
  }
});
