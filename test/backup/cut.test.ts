import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { backUp } from '../../src/backup/backup.ts';
import { checkBackups } from '../../src/backup/check.ts';
import { listBackups } from '../../src/backup/manifest.ts';
import { copiesFolder, openUpkeep } from '../../src/cmd/upkeep.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { databaseTools, inWorkFolder, serveFolder } from './support.ts';

const script = join(import.meta.dirname, 'cut.ts');
const cli = join(import.meta.dirname, '../../src/cmd/tidepool.ts');

function environment(folder: string): NodeJS.ProcessEnv {
  const { TIDEPOOL_URL: _url, TIDEPOOL_TOKEN: _token, ...env } = process.env;
  return { ...env, XDG_STATE_HOME: join(folder, 'state') };
}

function tidepool(folder: string, ...args: string[]) {
  return spawnSync(process.execPath, [cli, ...args], { env: environment(folder), encoding: 'utf8' });
}

/** Makes a data folder with a job, and a backup of it. */
async function makeBackup(folder: string): Promise<{ dataDir: string; dir: string }> {
  await using served = await serveFolder(folder);
  await served.addJob('a', 'print(1)');
  const dir = join(folder, 'backups');
  await backUp(served.options(dir));
  return { dataDir: served.dataDir, dir };
}

test('a copy of the database of a killed backup goes with the next backup, and with the next start', () =>
  inWorkFolder(async (folder) => {
    const { dataDir, dir } = await makeBackup(folder);
    const kill = async (): Promise<void> => {
      const { signal, stderr } = spawnSync(process.execPath, [script, 'backup', folder], {
        env: environment(folder),
        encoding: 'utf8',
      });
      assert.equal(signal, 'SIGKILL', stderr);
      assert.deepEqual(
        (await readdir(dataDir)).filter((name) => name.startsWith('backup')),
        ['backup'],
      );
      assert.equal((await readdir(copiesFolder(dataDir))).filter((name) => name.endsWith('.db')).length, 1);
    };
    await kill();
    const next = tidepool(folder, 'backup', dir, '--data-dir', dataDir);
    assert.equal(next.status, 0, next.stderr);
    await assert.rejects(stat(copiesFolder(dataDir)));
    await kill();
    await using served = await serveFolder(folder);
    await openUpkeep({ store: served.store, dataDir, imageId: 'x', clock: new FakeClock() });
    await assert.rejects(stat(copiesFolder(dataDir)));
  }));

test('a server that is killed while it copies its database costs that backup, and no other', () =>
  inWorkFolder(async (folder) => {
    const { dataDir, dir } = await makeBackup(folder);
    const server = spawn(process.execPath, [script, 'server', folder], {
      env: environment(folder),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(server, 'exit');
    await once(server.stdout, 'data');
    const cut = tidepool(folder, 'backup', dir, '--keep', '1', '--data-dir', dataDir);
    server.kill('SIGKILL');
    assert.equal(cut.status, 69, cut.stderr);
    assert.match(cut.stderr, /no backup is made: the server .* ended, or was cut off, while it copied its database/);
    assert.deepEqual(await ended, [null, 'SIGKILL']);
    assert.equal((await listBackups(dir)).length, 1);
    assert.deepEqual((await checkBackups(dir, databaseTools)).problems, []);
    await writeFile(join(copiesFolder(dataDir), 'half-2.db'), 'of an earlier one');
    const next = tidepool(folder, 'backup', dir, '--data-dir', dataDir);
    assert.equal(next.status, 0, next.stderr);
    await assert.rejects(stat(copiesFolder(dataDir)));
    const checked = tidepool(folder, 'backup', 'check', dir);
    assert.deepEqual([checked.status, /all backups are sound/.test(checked.stdout)], [0, true]);
  }));

test('a backup that lacks something ends with an error that says what', () =>
  inWorkFolder(async (folder) => {
    const { dataDir, dir } = await makeBackup(folder);
    const [shard = ''] = (await readdir(join(dataDir, 'blobs'))).filter((name) => name !== 'tmp');
    const [blob = ''] = await readdir(join(dataDir, 'blobs', shard));
    await writeFile(join(dataDir, 'blobs', shard, blob), '');
    const made = tidepool(folder, 'backup', dir, '--data-dir', dataDir, '--keep', '1');
    assert.equal(made.status, 65, made.stderr);
    assert.match(made.stdout, /^backup \S+: \d+ files/);
    assert.match(made.stderr, new RegExp(`the server's blobs/${shard}/${blob} is damaged; the backup is without it`));
    assert.match(made.stderr, /no older backup is removed/);
    const target = join(folder, 'new');
    const refused = tidepool(folder, 'restore', dir, '--data-dir', target);
    assert.deepEqual([refused.status, /--allow-missing/.test(refused.stderr)], [65, true], refused.stderr);
    const restored = tidepool(folder, 'restore', dir, '--data-dir', target, '--allow-missing');
    assert.equal(restored.status, 0, restored.stderr);
    assert.match(restored.stderr, /restored without blobs\/.*; lost by job a/);
  }));
