import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { machineFacts, makeCgroup } from './machine.ts';
import { mountOf, parseMounts } from './mounts.ts';
import { parseRuntimes } from './runtimes.ts';
import { problemError } from './server.ts';

const mountInfo = `22 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw,prjquota
23 22 0:20 / /proc rw - proc proc rw
30 22 0:31 / /var/lib/a\\040b rw - tmpfs tmpfs rw,size=1k
31 22 0:32 / /var/lib/a\\040b rw - ext4 /dev/vdb ro
`;

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-worker-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('the mount of a folder is the nearest above it, and of two there the last', () => {
  const mounts = parseMounts(mountInfo);
  assert.deepEqual(mounts[0], { path: '/', options: ['rw', 'prjquota'] });
  assert.equal(mountOf('/var/lib/x', mounts)?.path, '/');
  assert.equal(mountOf('/var/lib/a bc', mounts)?.path, '/');
  assert.deepEqual(mountOf('/var/lib/a b/c', mounts), { path: '/var/lib/a b', options: ['ro'] });
});

test('what a server says of runtimes is looked at, since names become file names', () => {
  const good = { name: 'my-lab', id: '0a1b', sizeBytes: 5 };
  assert.deepEqual(parseRuntimes({ runtimes: [good] }), [good]);
  const wrong = [{ name: '../x' }, { name: 'a/b' }, { name: '' }, { id: '..' }, { id: 7 }, { sizeBytes: '5' }];
  for (const fields of wrong) {
    assert.throws(
      () => parseRuntimes({ runtimes: [{ ...good, ...fields }] }),
      (error) => hasCode(error, 'upstream'),
    );
  }
  for (const answer of [null, [], {}, { runtimes: 1 }, { runtimes: [null] }]) {
    assert.throws(
      () => parseRuntimes(answer),
      (error) => hasCode(error, 'upstream'),
    );
  }
});

test('a refusal keeps its code and words; what is no problem document is of something between', () => {
  const refusal = problemError('{"code":"forbidden","detail":"the token has not the scope worker"}', 403);
  assert.ok(hasCode(refusal, 'forbidden') && /scope worker/.test(refusal.message));
  for (const text of ['<html>', '', 'null', '{"code":"made-up","detail":"x"}', '{"code":"constructor","detail":"x"}']) {
    assert.ok(hasCode(problemError(text, 502), 'upstream'), text);
  }
});

test('without cgroups of version 2 and their controllers there is no worker', async (t) => {
  const root = await temporary(t);
  const fails = (text: RegExp) =>
    assert.rejects(makeCgroup(root, 'own'), (error) => hasCode(error, 'unavailable') && text.test(error.message));
  await fails(/no cgroups of version 2 with cpu, memory, pids/);
  await writeFile(join(root, 'cgroup.controllers'), 'cpu io pids\n');
  await fails(/with memory$/);
  await writeFile(join(root, 'cgroup.controllers'), 'cpu memory pids\n');
  // Something is in the way of the own one.
  await writeFile(join(root, 'own'), '');
  await fails(/runs as root/);
});

test('the controllers are handed on to the own cgroup', async (t) => {
  const root = await temporary(t);
  await writeFile(join(root, 'cgroup.controllers'), 'cpuset cpu memory pids\n');
  assert.equal(await makeCgroup(root, 'own'), join(root, 'own'));
  for (const folder of [root, join(root, 'own')]) {
    assert.equal(await readFile(join(folder, 'cgroup.subtree_control'), 'utf8'), '+cpu +memory +pids');
  }
});

test('jobs get what the machine has, its container allows and its owner gives, whichever is least', async (t) => {
  const root = await temporary(t);
  const facts = (share: { cpus?: number; memoryBytes?: number }, hasQuotas = false) =>
    machineFacts(root, root, hasQuotas, share);
  const all = await facts({});
  assert.ok(all.cpus >= 1 && all.memoryBytes > 2 ** 28);
  // In memory, of which there is a limit of its own.
  assert.ok(all.diskBytes > 2 ** 40);
  assert.equal((await facts({ cpus: 0.5 })).cpus, 0.5);
  assert.equal((await facts({ cpus: 10_000, memoryBytes: 2 ** 60 })).memoryBytes, all.memoryBytes);
  await writeFile(join(root, 'memory.max'), `${2 ** 28}\n`);
  assert.equal((await facts({})).memoryBytes, 2 ** 28);
  assert.equal((await facts({ memoryBytes: 2 ** 20 })).memoryBytes, 2 ** 20);
  await writeFile(join(root, 'memory.max'), 'max\n');
  assert.equal((await facts({})).memoryBytes, all.memoryBytes);
  assert.notEqual((await facts({ memoryBytes: 2 ** 20 }, true)).diskBytes, 2 ** 20);
});
